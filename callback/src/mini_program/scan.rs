//! `POST /v1/miniapp/scan`: a person opened the mini program's page by a code.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use axum::{
    Json,
    extract::{Request, State},
};
use scenecast_scene::{
    AccountName, Cause, DeliveryId, Number, OpenId, PageInfo, Person, SceneId, SceneSnapshot, SceneState,
    SettleRefusal, Settled, internal::OpenRefusal, time::unix_now,
};
use scenecast_service::http::{Problem, read_body};
use scenecast_traces::ServedRequest;
use scenecast_wechat::{JsCodeSession, UserInfo};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{Span, field::display};

use super::{
    error::MiniProgramError,
    record::{answered, cause, find_user, record_login, settled_in, state_word},
    sender::{recall, sender},
    state::{MAX_BODY_BYTES, MiniProgramState, SCAN_PATH, SETTLE_TIMEOUT},
    ticket::Ticket,
};
use crate::{
    accounts::{Accounts, MiniProgram},
    config::Confirmation,
    login::{acceptance, count_stage, grant, transition_of_scan},
    people::profile,
    problems::{from_bus, from_bus_retry, from_refusal},
    request::{json, public_span},
    retry,
    visible_text::line,
};

/// WeChat's own have 32 bytes.
const MAX_JS_CODE_BYTES: usize = 128;

/// What a mini program sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanRequest {
    /// The mini program's name in our configuration.
    account: AccountName,
    /// From `wx.login`.
    js_code: String,
    /// The scene in the code that opened the page.
    scene: String,
}

/// What the phone shows before it asks the person.
#[derive(Serialize)]
pub(super) struct ScanResponse {
    /// The phone sends it with the answer.
    ticket: String,
    state: &'static str,
    site: Option<String>,
    /// The page's host, address and browser, if they are known.
    host: Option<String>,
    address: Option<IpAddr>,
    browser: Option<String>,
    /// The page shows one of these numbers, and the person has to pick it.
    choices: Option<[Number; 3]>,
}

pub(super) async fn scan(
    State(state): State<Arc<MiniProgramState>>,
    request: Request,
) -> Result<Json<ScanResponse>, Problem> {
    let response = answer(&state, request).await;
    let outcome = response.as_ref().map_or_else(|problem| problem.code, |response| response.state);
    state.requests.with_label_values(&["scan", outcome]).inc();
    response.map(Json)
}

#[tracing::instrument(name = "miniapp scan", skip_all, fields(account, scene))]
async fn answer(state: &MiniProgramState, request: Request) -> Result<ScanResponse, Problem> {
    let arrived = SystemTime::now();
    let (head, body) = request.into_parts();
    let ScanRequest { account, js_code, scene } = json(&read_body(body, MAX_BODY_BYTES).await?)?;
    let accounts = state.accounts.current();
    let mini_program = accounts.mini_program(&account).ok_or_else(|| from_refusal(OpenRefusal::AccountUnknown))?;
    // Another text belongs to another code of the mini program, and is no login.
    let scene: SceneId = scene.parse().map_err(|_| MiniProgramError::SceneUnknown)?;
    Span::current().record("account", account.as_str()).record("scene", display(scene));
    if !(1..=MAX_JS_CODE_BYTES).contains(&js_code.len()) || !js_code.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(MiniProgramError::JsCodeInvalid.into());
    }
    // With the scene, so that a js_code that was used for one scene is good for no other.
    let call = DeliveryId::of(&["miniapp scan", account.as_str(), &js_code, &scene.to_string()]);
    // Boxed, because the future of each call would hold their memory until it ends.
    let (opened, known) = tokio::join!(
        Box::pin(ScannedScene::find(state, &accounts, mini_program, scene)),
        Box::pin(recall(&state.js_codes, &mini_program.name, call))
    );
    let opened = opened?;
    let session = match known? {
        Some(session) => session,
        None if opened.is_answered => return Err(MiniProgramError::SceneAnswered.into()),
        None => sender(&state.js_codes, mini_program, &js_code, call).await?,
    };
    let who = session.openid.clone();
    let request = ServedRequest { route: SCAN_PATH, path: SCAN_PATH, arrived };
    let span = public_span(scene, &request, &head.headers);
    let settled = settle(state, mini_program, opened, session, cause(call, &span)).await;
    settled_in(&span, &settled);
    let snapshot = outcome(settled?, &who, |account| accounts.confirmation(mini_program, account).is_some());
    answered(&span, &snapshot);
    tracing::info!(
        %account, %scene, who = who.short(),
        outcome = snapshot.as_ref().map_or_else(|error| error.code(), |snapshot| snapshot.state.into()),
        "a person opened a mini program's code"
    );
    let snapshot = snapshot?;
    let expires = unix_now() + snapshot.remaining;
    let ticket = Ticket::issue(&state.secret, &mini_program.name, scene, &who, expires);
    let PageInfo { host, address, browser, .. } = snapshot.page();
    Ok(ScanResponse {
        ticket: ticket.to_string(),
        state: state_word(snapshot.state),
        site: mini_program.settings.site.clone(),
        host: host.and_then(|host| line(&host)),
        address,
        browser: browser.and_then(|browser| line(&browser)),
        choices: snapshot.choices().filter(|_| snapshot.state == SceneState::Scanned),
    })
}

/// The scene that a code has opened, before WeChat has said who the person is. WeChat isn't asked about scenes that
/// nobody can open: anybody can make up a scene and a `js_code`.
struct ScannedScene {
    id: SceneId,
    account: AccountName,
    /// What makes it a login here.
    confirmation: Confirmation,
    /// Only a repeated call gets an answer then.
    is_answered: bool,
}

impl ScannedScene {
    async fn find(
        state: &MiniProgramState,
        accounts: &Accounts,
        mini_program: &MiniProgram,
        id: SceneId,
    ) -> Result<Self, Problem> {
        let snapshot = state.bus.snapshot(id).await.map_err(|error| from_bus(id, &error))?;
        let snapshot = snapshot.ok_or(MiniProgramError::SceneUnknown)?;
        let account = snapshot.account().ok_or(MiniProgramError::SceneUnknown)?;
        let confirmation = accounts.confirmation(mini_program, &account).ok_or(MiniProgramError::SceneUnknown)?;
        let is_answered = match snapshot.state {
            SceneState::Expired | SceneState::Cancelled => return Err(MiniProgramError::SceneExpired.into()),
            SceneState::Confirmed | SceneState::Redeemed | SceneState::Declined => true,
            SceneState::Open | SceneState::Scanned => false,
        };
        Ok(Self { id, account, confirmation, is_answered })
    }
}

async fn settle(
    state: &MiniProgramState,
    mini_program: &MiniProgram,
    opened: ScannedScene,
    session: JsCodeSession,
    cause: Cause,
) -> Result<Settled, Problem> {
    let ScannedScene { id: scene, account, confirmation, .. } = opened;
    let settings = &mini_program.settings;
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    let person = Person {
        account: mini_program.name.clone(),
        profile: profile(&session.openid, &UserInfo::default(), settings.language),
        openid: session.openid,
        unionid: session.unionid,
    };
    let user = find_user(&state.users, &person, deadline).await?;
    let grant = grant(&state.secret, &settings.secret, scene, &person.openid);
    let login = acceptance(grant, person, settings.grant_life, false, user.as_ref());
    let transition = transition_of_scan(confirmation, account, login);
    let settled = retry::settle(&state.bus, scene, &cause, &transition, deadline).await;
    let settled = settled.map_err(|error| from_bus_retry(scene, error))?;
    count_stage(&state.stages, &settled);
    // With a confirmation the answer is the login. A repeated scan may come after it, and is no login then either.
    if !confirmation.asks() {
        record_login(&state.users, mini_program, scene, &settled, user.as_ref(), &cause, deadline).await?;
    }
    Ok(settled)
}

/// What a settled scan means for the person who opened the code. The same person may open the code again until they
/// have answered.
fn outcome(
    settled: Settled,
    who: &OpenId,
    may_log_in: impl Fn(&AccountName) -> bool,
) -> Result<SceneSnapshot, MiniProgramError> {
    let (refused, snapshot) = match settled {
        Settled::Applied(snapshot) | Settled::Repeated(snapshot) => (false, snapshot),
        Settled::Refused(SettleRefusal::State(_), snapshot) => (true, snapshot),
        Settled::Refused(SettleRefusal::Guard(_), _) | Settled::Unknown => return Err(MiniProgramError::SceneUnknown),
    };
    if !snapshot.account().is_some_and(|account| may_log_in(&account)) {
        return Err(MiniProgramError::SceneUnknown);
    }
    match snapshot.state {
        SceneState::Expired | SceneState::Cancelled => Err(MiniProgramError::SceneExpired),
        _ if snapshot.who().as_ref() != Some(who) => Err(MiniProgramError::SceneTaken),
        SceneState::Scanned => Ok(snapshot),
        _ if refused => Err(MiniProgramError::SceneAnswered),
        _ => Ok(snapshot),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use scenecast_scene::SceneField;

    use super::*;

    fn snapshot(account: &str, state: SceneState, who: &str) -> SceneSnapshot {
        let facts = [(SceneField::Account, account.to_owned()), (SceneField::Who, who.to_owned())];
        SceneSnapshot { state, remaining: Duration::ZERO, fields: BTreeMap::from(facts) }
    }

    #[test]
    fn each_phone_is_told_the_outcome_of_its_scan() {
        let refused =
            |account, state, who| Settled::Refused(SettleRefusal::State(state), snapshot(account, state, who));
        for (settled, expected) in [
            (Settled::Applied(snapshot("mini", SceneState::Scanned, "oAnn")), Ok(SceneState::Scanned)),
            (Settled::Applied(snapshot("mini", SceneState::Confirmed, "oAnn")), Ok(SceneState::Confirmed)),
            (Settled::Repeated(snapshot("mini", SceneState::Redeemed, "oAnn")), Ok(SceneState::Redeemed)),
            (Settled::Repeated(snapshot("mini", SceneState::Declined, "oAnn")), Ok(SceneState::Declined)),
            (Settled::Repeated(snapshot("mini", SceneState::Expired, "oAnn")), Err(MiniProgramError::SceneExpired)),
            (refused("mini", SceneState::Scanned, "oAnn"), Ok(SceneState::Scanned)),
            (refused("mini", SceneState::Scanned, "oBob"), Err(MiniProgramError::SceneTaken)),
            (refused("mini", SceneState::Confirmed, "oAnn"), Err(MiniProgramError::SceneAnswered)),
            (refused("mini", SceneState::Declined, "oAnn"), Err(MiniProgramError::SceneAnswered)),
            (refused("mini", SceneState::Redeemed, "oBob"), Err(MiniProgramError::SceneTaken)),
            (refused("mini", SceneState::Expired, ""), Err(MiniProgramError::SceneExpired)),
            (refused("mini", SceneState::Cancelled, ""), Err(MiniProgramError::SceneExpired)),
            (refused("other", SceneState::Scanned, "oAnn"), Err(MiniProgramError::SceneUnknown)),
            (refused("other", SceneState::Expired, ""), Err(MiniProgramError::SceneUnknown)),
            (
                Settled::Refused(SettleRefusal::Guard(SceneField::Account), snapshot("other", SceneState::Open, "")),
                Err(MiniProgramError::SceneUnknown),
            ),
            (Settled::Unknown, Err(MiniProgramError::SceneUnknown)),
        ] {
            let said = format!("{settled:?}");
            let told = outcome(settled, &"oAnn".parse().unwrap(), |account| account.as_str() == "mini");
            assert_eq!(told.map(|snapshot| snapshot.state), expected, "{said}");
        }
    }
}
