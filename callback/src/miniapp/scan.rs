//! `POST /v1/miniapp/scan`: somebody opened the mini program's page by a code.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
};
use scenecast_shared::{
    internal::Refused,
    scene::{
        AccountName, DeliveryId, Field, Number, OpenId, Page, Person, Refusal, SceneId, Settled, Standing,
        State as SceneState,
    },
    serve::{Problem, read_body},
    telemetry::Stage,
    time::unix_now,
    wechat::{Session, UserInfo},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{Span, field::display};

use super::{LIMIT, LONGEST_BODY, NotDone, cause, known, logged_in, sender::sender, ticket::Ticket, word};
use crate::{
    accounts::{Accounts, MiniProgram},
    app::App,
    login,
    profile::profile,
    request::json,
};

/// WeChat's own have 32 characters.
const LONGEST_JS_CODE: usize = 128;

/// What a mini program sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanRequest {
    /// What this deployment calls the mini program.
    account: AccountName,
    /// From `wx.login`.
    js_code: String,
    /// What the code that opened the page says.
    scene: String,
}

/// What the phone shows before it asks.
#[derive(Serialize)]
pub(super) struct Scanned {
    /// To be sent with the answer.
    ticket: String,
    state: &'static str,
    site: Option<String>,
    /// The page's host, address and browser, as far as they are known.
    host: Option<String>,
    address: Option<IpAddr>,
    browser: Option<String>,
    /// One of them is shown by the page, and has to be picked.
    choices: Option<[Number; 3]>,
}

pub(super) async fn scan(State(app): State<Arc<App>>, request: Request) -> Result<Json<Scanned>, Problem> {
    let scanned = settle(&app, request).await;
    let outcome = scanned.as_ref().map_or_else(|problem| problem.code, |scanned| scanned.state);
    app.counts.miniapp.with_label_values(&["scan", outcome]).inc();
    scanned.map(Json)
}

#[tracing::instrument(name = "miniapp scan", skip_all, fields(account, scene))]
async fn settle(app: &App, request: Request) -> Result<Scanned, Problem> {
    let ScanRequest { account, js_code, scene } = json(&read_body(request.into_body(), LONGEST_BODY).await?)?;
    let accounts = app.accounts();
    let mini_program = accounts.mini_program(&account).ok_or_else(|| Refused::AccountUnknown.problem())?;
    // Any other text is another code's, and no login.
    let scene: SceneId = scene.parse().map_err(|_| NotDone::SceneUnknown)?;
    Span::current().record("account", account.as_str()).record("scene", display(scene));
    if !(1..=LONGEST_JS_CODE).contains(&js_code.len()) || !js_code.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(NotDone::JsCodeInvalid.into());
    }
    // Without the scene, a js_code that was used once would be good for others.
    let call = DeliveryId::of(&["miniapp scan", account.as_str(), &js_code, &scene.to_string()]);
    let session = sender(app, mini_program, &js_code, call).await?;
    let who = session.openid.clone();
    let settled = scan_once(app, &accounts, mini_program, scene, session, call).await?;
    let standing = outcome(settled, &who, |account| accounts.stands_for(&mini_program.name, account));
    tracing::info!(
        %account, %scene, who = who.short(),
        outcome = standing.as_ref().map_or_else(ToString::to_string, |standing| standing.state.word().to_owned()),
        "somebody opened a mini program's code"
    );
    let standing = standing?;
    let ends = unix_now() + standing.remaining;
    let ticket = Ticket::issue(&app.internal_secret, &mini_program.name, scene, &who, ends);
    let Page { host, address, browser, .. } = standing.page();
    Ok(Scanned {
        ticket: ticket.to_string(),
        state: word(standing.state),
        site: mini_program.settings.site.clone(),
        host,
        address,
        browser,
        choices: standing.choices().filter(|_| standing.state == SceneState::Scanned),
    })
}

async fn scan_once(
    app: &App,
    accounts: &Accounts,
    mini_program: &MiniProgram,
    scene: SceneId,
    session: Session,
    call: DeliveryId,
) -> Result<Settled, Problem> {
    let (settings, deadline) = (&mini_program.settings, Instant::now() + LIMIT);
    let person = Person {
        account: mini_program.name.clone(),
        profile: profile(&session.openid, &UserInfo::default(), settings.language),
        openid: session.openid,
        unionid: session.unionid,
    };
    let known = known(app, &person, deadline).await?;
    let transition = |account: AccountName| {
        let grant = app.grant(&settings.secret, scene, &person.openid);
        let login = login::acceptance(grant, person.clone(), settings.grant_life, false, known.as_ref());
        login::wish(settings.confirmation, account, login)
    };
    let cause = cause(call);
    let mut settled = app.settle(scene, &cause, &transition(mini_program.name.clone()), deadline).await?;
    if let Settled::Refused(Refusal::Guard(Field::Account), standing) = &settled
        && let Some(account) = standing.account()
        && accounts.stands_for(&mini_program.name, &account)
    {
        settled = app.settle(scene, &cause, &transition(account), deadline).await?;
    }
    if let Settled::Applied(standing) = &settled {
        let confirmed = standing.state == SceneState::Confirmed;
        app.counts.stages.count(if confirmed { Stage::Confirmed } else { Stage::Scanned });
    }
    // Elsewhere the answer is the login, and this scan none, though it may come again after it.
    if !settings.confirmation.asks() {
        logged_in(app, mini_program, scene, &settled, known.as_ref(), &cause, deadline).await?;
    }
    Ok(settled)
}

/// What a settled scan means to whoever opened the code. The same person may open it again until they
/// have answered.
fn outcome(settled: Settled, who: &OpenId, may: impl Fn(&AccountName) -> bool) -> Result<Standing, NotDone> {
    let (refused, standing) = match settled {
        Settled::Applied(standing) | Settled::Repeated(standing) => (false, standing),
        Settled::Refused(Refusal::State(_), standing) => (true, standing),
        Settled::Refused(Refusal::Guard(_), _) | Settled::Unknown => return Err(NotDone::SceneUnknown),
    };
    if !standing.account().is_some_and(|account| may(&account)) {
        return Err(NotDone::SceneUnknown);
    }
    match standing.state {
        SceneState::Expired | SceneState::Cancelled => Err(NotDone::SceneExpired),
        _ if standing.who().as_ref() != Some(who) => Err(NotDone::SceneTaken),
        SceneState::Scanned => Ok(standing),
        _ if refused => Err(NotDone::SceneAnswered),
        _ => Ok(standing),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    fn standing(account: &str, state: SceneState, who: &str) -> Standing {
        let facts = [(Field::Account, account.to_owned()), (Field::Who, who.to_owned())];
        Standing { state, remaining: Duration::ZERO, facts: BTreeMap::from(facts) }
    }

    #[test]
    fn each_phone_is_told_what_became_of_its_scan() {
        let refused = |account, state, who| Settled::Refused(Refusal::State(state), standing(account, state, who));
        for (settled, expected) in [
            (Settled::Applied(standing("mini", SceneState::Scanned, "oAnn")), Ok(SceneState::Scanned)),
            (Settled::Applied(standing("mini", SceneState::Confirmed, "oAnn")), Ok(SceneState::Confirmed)),
            (Settled::Repeated(standing("mini", SceneState::Redeemed, "oAnn")), Ok(SceneState::Redeemed)),
            (Settled::Repeated(standing("mini", SceneState::Declined, "oAnn")), Ok(SceneState::Declined)),
            (Settled::Repeated(standing("mini", SceneState::Expired, "oAnn")), Err(NotDone::SceneExpired)),
            (refused("mini", SceneState::Scanned, "oAnn"), Ok(SceneState::Scanned)),
            (refused("mini", SceneState::Scanned, "oBob"), Err(NotDone::SceneTaken)),
            (refused("mini", SceneState::Confirmed, "oAnn"), Err(NotDone::SceneAnswered)),
            (refused("mini", SceneState::Declined, "oAnn"), Err(NotDone::SceneAnswered)),
            (refused("mini", SceneState::Redeemed, "oBob"), Err(NotDone::SceneTaken)),
            (refused("mini", SceneState::Expired, ""), Err(NotDone::SceneExpired)),
            (refused("mini", SceneState::Cancelled, ""), Err(NotDone::SceneExpired)),
            (refused("other", SceneState::Scanned, "oAnn"), Err(NotDone::SceneUnknown)),
            (refused("other", SceneState::Expired, ""), Err(NotDone::SceneUnknown)),
            (
                Settled::Refused(Refusal::Guard(Field::Account), standing("other", SceneState::Open, "")),
                Err(NotDone::SceneUnknown),
            ),
            (Settled::Unknown, Err(NotDone::SceneUnknown)),
        ] {
            let said = format!("{settled:?}");
            let told = outcome(settled, &"oAnn".parse().unwrap(), |account| account.as_str() == "mini");
            assert_eq!(told.map(|standing| standing.state), expected, "{said}");
        }
    }
}
