//! `POST /v1/redeem`: a grant becomes who logged in.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use scenecast_shared::{
    bus::BusError,
    scene::{
        AccountName, Binding, Cause, DeliveryId, Field, Grant, GrantDigest, OpenId, Person, Profile, Refusal, Settled,
        Standing, State as SceneState, Transition,
    },
    serve::{Problem, read_body},
    telemetry::{Stage, traceparent},
    time::unix_now_ms,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::Span;

use crate::{
    api_keys::Caller,
    app::{App, stored},
    request::{header, json},
};

const LONGEST_BODY: usize = 4 * 1024;
/// How long it may take: the same call may come again, but only if it had an idempotency key.
const LIMIT: Duration = Duration::from_secs(4);
/// When a login that was lost may be there again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/v1/redeem", post(redeem))
}

/// What a site sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedeemRequest {
    grant: Grant,
    /// What the page was opened with.
    #[serde(default)]
    state: Option<String>,
    /// Needed where the API key is for several.
    #[serde(default)]
    account: Option<AccountName>,
}

/// Who logged in.
#[derive(Serialize)]
struct Redeemed {
    account: AccountName,
    openid: OpenId,
    unionid: Option<String>,
    profile: Profile,
    /// Whether the site has said that it has them.
    registered: bool,
    /// How often they have logged in, this time included.
    logins: u64,
}

/// Why a grant isn't redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotRedeemed {
    /// Whether it is another account's isn't told.
    #[error("there is no such grant for this account")]
    Unknown,
    #[error("the grant belongs to another browser session: the state does not match")]
    StateMismatch,
    #[error("the grant was redeemed before")]
    Used,
    #[error("the grant's time is over")]
    Expired,
    /// A failover of Redis may have lost the login whose grant the page has; WeChat delivers it again. Said of any
    /// grant, so that nobody learns by it whether one is good.
    #[error("nobody has logged in on this scene yet")]
    NotYet,
}

impl From<NotRedeemed> for Problem {
    fn from(why: NotRedeemed) -> Self {
        let (status, code) = match why {
            NotRedeemed::NotYet => return Self::unavailable("grant_not_yet", why.to_string(), AGAIN_AFTER),
            NotRedeemed::Unknown => (StatusCode::NOT_FOUND, "grant_unknown"),
            NotRedeemed::StateMismatch => (StatusCode::CONFLICT, "state_mismatch"),
            NotRedeemed::Used => (StatusCode::CONFLICT, "grant_used"),
            NotRedeemed::Expired => (StatusCode::GONE, "grant_expired"),
        };
        Self::new(status, code, why.to_string())
    }
}

async fn redeem(State(app): State<Arc<App>>, request: Request) -> Result<Json<Redeemed>, Problem> {
    let answer = answer(&app, request).await;
    let outcome = answer.as_ref().map_or_else(|problem| problem.code, |_| "redeemed");
    app.counts.redeems.with_label_values(&[outcome]).inc();
    answer.map(Json)
}

#[tracing::instrument(name = "redeem", skip_all, fields(site, account, scene))]
async fn answer(app: &App, request: Request) -> Result<Redeemed, Problem> {
    let (head, body) = request.into_parts();
    let accounts = app.accounts();
    let caller = accounts.api_keys.caller(&head.headers)?;
    let RedeemRequest { grant, state, account } = json(&read_body(body, LONGEST_BODY).await?)?;
    let account = account_of(caller, account)?;
    let binding = state.as_deref().map(Binding::of);
    let delivery = delivery(&head.headers, caller, &account, &grant, binding)?;
    let scene = grant.scene();
    Span::current()
        .record("site", caller.name)
        .record("account", account.as_str())
        .record("scene", tracing::field::display(scene));

    let cause = Cause { delivery, received_at: unix_now_ms(), traceparent: traceparent(&Span::current()) };
    let redeem = Transition::Redeem { grant: grant.digest(), account: account.clone(), binding };
    let deadline = Instant::now() + LIMIT;
    let settled = app.settle(scene, &cause, &redeem, deadline).await?;
    if let Settled::Applied(_) = settled {
        app.counts.stages.count(Stage::Redeemed);
    }
    let outcome = outcome(settled, &account, grant.digest());
    let told = outcome.as_ref().err().map_or("redeemed".to_owned(), ToString::to_string);
    tracing::info!(site = caller.name, %account, %scene, outcome = told, "a site asked who logged in");
    let Person { account, openid, unionid, profile } = outcome?.person().ok_or(BusError::Malformed("person"))?;
    let user = stored(deadline, || app.users.find(&account, &openid)).await?;
    let (registered, logins) = user.map_or((false, 0), |user| (user.registered, user.logins));
    Ok(Redeemed { account, openid, unionid, profile, registered, logins })
}

/// The account that the call is about: the one it names, or the only one it can be.
fn account_of(caller: Caller<'_>, named: Option<AccountName>) -> Result<AccountName, Problem> {
    let mut own = caller.accounts.iter();
    match (named, own.next(), own.next()) {
        (Some(named), ..) if caller.accounts.contains(&named) => Ok(named),
        (Some(_), ..) => Err(NotRedeemed::Unknown.into()),
        (None, Some(only), None) => Ok(only.clone()),
        (None, ..) => Err(Problem::bad_request("this API key is for several accounts: name one as `account`")),
    }
}

/// The same call again is the same delivery. The idempotency key alone doesn't make it that, so
/// that nobody gets an answer with another account, grant or state.
fn delivery(
    headers: &HeaderMap,
    caller: Caller<'_>,
    account: &AccountName,
    grant: &Grant,
    binding: Option<Binding>,
) -> Result<DeliveryId, Problem> {
    const NAME: &str = "idempotency-key";
    let key = match header(headers, NAME) {
        Some(key) if (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => key.to_owned(),
        None if !headers.contains_key(NAME) => hex::encode(rand::random::<[u8; 16]>()),
        _ => return Err(Problem::bad_request("Idempotency-Key must be once 1 to 128 visible ASCII characters")),
    };
    let binding = binding.map(|binding| binding.to_string()).unwrap_or_default();
    Ok(DeliveryId::of(&["redeem", caller.name, &key, account.as_str(), &grant.digest().to_string(), &binding]))
}

/// What a settled redeem means to the site.
fn outcome(settled: Settled, account: &AccountName, grant: GrantDigest) -> Result<Standing, NotRedeemed> {
    match settled {
        Settled::Repeated(standing) if standing.remaining.is_zero() => Err(NotRedeemed::Expired),
        Settled::Applied(standing) | Settled::Repeated(standing) => Ok(standing),
        Settled::Refused(Refusal::Guard(Field::Binding), _) => Err(NotRedeemed::StateMismatch),
        Settled::Refused(Refusal::State(SceneState::Open | SceneState::Scanned), standing)
            if standing.account().as_ref() == Some(account) =>
        {
            Err(NotRedeemed::NotYet)
        }
        Settled::Refused(Refusal::State(state), standing) if is_its(&standing, account, grant) => match state {
            SceneState::Redeemed => Err(NotRedeemed::Used),
            _ => Err(NotRedeemed::Expired),
        },
        Settled::Refused(..) | Settled::Unknown => Err(NotRedeemed::Unknown),
    }
}

/// Whether this grant is the scene's: only who has it is told what became of it.
fn is_its(standing: &Standing, account: &AccountName, grant: GrantDigest) -> bool {
    standing.account().as_ref() == Some(account) && standing.facts.get(&Field::Grant) == Some(&grant.to_string())
}

#[cfg(test)]
#[path = "redeem_tests.rs"]
mod tests;
