//! `POST /v1/redeem`: the site trades a grant for the person who logged in.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use prometheus::IntCounterVec;
use scenecast_bus::{BusError, SceneWriter};
use scenecast_metrics::{Stage, Stages};
use scenecast_scene::{
    AccountName, Binding, Cause, DeliveryId, Grant, GrantDigest, OpenId, Person, Profile, SceneField, SceneSnapshot,
    SceneState, SettleRefusal, Settled, Transition, time::unix_now_ms,
};
use scenecast_service::{
    admission::RateLimit,
    http::{Problem, read_body},
};
use scenecast_traces::{LoginSpan, ServedRequest};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;
use tokio::time::Instant;
use tracing::Span;

use crate::{
    accounts::{AccountRegistry, ApiCaller, PreviousSecretUses},
    problems::{from_bus, from_bus_retry, from_store_retry},
    request::{TRACEPARENT, header, json},
    retry::{ask_store, settle},
    stores::Users,
};

const PATH: &str = "/v1/redeem";
const MAX_BODY_BYTES: usize = 4 * 1024;
/// How long a redeem may take. The site may repeat the call only if it had an idempotency key.
const REDEEM_TIMEOUT: Duration = Duration::from_secs(4);
/// When a login that Redis lost may be there again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A site that sends something wrong sends it with each login.
static UNUSABLE_LOG_RATE: LazyLock<RateLimit> = LazyLock::new(|| RateLimit::per_second(1));

pub(crate) struct RedeemState {
    pub(crate) accounts: AccountRegistry,
    pub(crate) bus: SceneWriter,
    pub(crate) users: Users,
    pub(crate) stages: Stages,
    /// By `outcome`.
    pub(crate) redeems: IntCounterVec,
    pub(crate) previous_secrets: PreviousSecretUses,
}

pub(crate) fn router(state: RedeemState) -> Router {
    Router::new().route(PATH, post(redeem)).with_state(Arc::new(state))
}

/// What a site sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedeemRequest {
    grant: Grant,
    /// The `state` with which the page opened the scene.
    #[serde(default)]
    state: Option<String>,
    /// Needed if the API key is for several accounts.
    #[serde(default)]
    account: Option<AccountName>,
}

/// The person who logged in.
#[derive(Serialize)]
struct RedeemedLogin {
    account: AccountName,
    openid: OpenId,
    unionid: Option<String>,
    profile: Profile,
    /// Whether the site has said that the person is registered there.
    registered: bool,
    /// How often the person has logged in, with this time.
    logins: u64,
}

/// Why a grant isn't redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, IntoStaticStr)]
enum RedeemError {
    /// The site isn't told whether the grant is another account's.
    #[error("there is no such grant for this account")]
    #[strum(serialize = "grant_unknown")]
    Unknown,
    #[error("the grant belongs to another browser session: the state does not match")]
    #[strum(serialize = "state_mismatch")]
    StateMismatch,
    #[error("the grant was redeemed before")]
    #[strum(serialize = "grant_used")]
    Used,
    #[error("the grant's time is over")]
    #[strum(serialize = "grant_expired")]
    Expired,
    /// A failover of Redis may have lost the login of the page's grant; WeChat delivers it again. Every grant of the
    /// scene gets this error, so that it tells nobody whether a grant is good.
    #[error("nobody has logged in on this scene yet")]
    #[strum(serialize = "grant_not_yet")]
    NotYet,
}

impl RedeemError {
    /// What programs look at.
    fn code(self) -> &'static str {
        self.into()
    }
}

impl From<RedeemError> for Problem {
    fn from(error: RedeemError) -> Self {
        let status = match error {
            RedeemError::NotYet => return Self::unavailable(error.code(), error.to_string(), RETRY_AFTER),
            RedeemError::Unknown => StatusCode::NOT_FOUND,
            RedeemError::StateMismatch | RedeemError::Used => StatusCode::CONFLICT,
            RedeemError::Expired => StatusCode::GONE,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

async fn redeem(State(state): State<Arc<RedeemState>>, request: Request) -> Result<Json<RedeemedLogin>, Problem> {
    let answer = answer(&state, request).await;
    if let Err(problem) = &answer
        && problem.status == StatusCode::BAD_REQUEST
        && UNUSABLE_LOG_RATE.allows()
    {
        tracing::warn!(
            problem = &*problem.detail,
            "a site's redeem call can't be understood; its backend has to send what docs/backend.md says"
        );
    }
    let outcome = answer.as_ref().map_or_else(|problem| problem.code, |_| "redeemed");
    state.redeems.with_label_values(&[outcome]).inc();
    answer.map(Json)
}

#[tracing::instrument(name = "redeem", skip_all, fields(site, account, scene))]
async fn answer(redeem: &RedeemState, request: Request) -> Result<RedeemedLogin, Problem> {
    let arrived = SystemTime::now();
    let (head, body) = request.into_parts();
    let accounts = redeem.accounts.current();
    let caller = accounts.api_keys.caller(&head.headers, &redeem.previous_secrets)?;
    let RedeemRequest { grant, state, account } = json(&read_body(body, MAX_BODY_BYTES).await?)?;
    let account = account_of(caller, account)?;
    let binding = state.as_deref().map(Binding::of);
    let delivery = delivery(&head.headers, caller, &account, &grant, binding)?;
    let scene = grant.scene();
    Span::current()
        .record("site", caller.name)
        .record("account", account.as_str())
        .record("scene", tracing::field::display(scene));

    let cause = Cause { delivery, received_at: unix_now_ms(), traceparent: None };
    let transition = Transition::Redeem { grant: grant.digest(), account: account.clone(), binding };
    let deadline = Instant::now() + REDEEM_TIMEOUT;
    let settled = settle(&redeem.bus, scene, &cause, &transition, deadline).await;
    let settled = settled.map_err(|error| from_bus_retry(scene, error))?;
    if let Settled::Applied(_) = settled {
        redeem.stages.count(Stage::Redeemed);
    }
    let request = ServedRequest { route: PATH, path: PATH, arrived };
    let login = settled.snapshot().and_then(SceneSnapshot::login_trace);
    let span = LoginSpan::of_request_within(scene, &request, login);
    let outcome = outcome(settled, &account, grant.digest());
    let code = outcome.as_ref().err().map_or("redeemed", |error| error.code());
    tracing::info!(site = caller.name, %account, %scene, outcome = code, "answered a site's redeem call");
    if span.is_traced() {
        span.link(header(&head.headers, TRACEPARENT));
        span.set("scenecast.outcome", code);
        span.answered(Some(outcome.as_ref().map_or_else(|error| Problem::from(*error).status.as_u16(), |_| 200)));
    }
    let person = outcome?.person().ok_or_else(|| from_bus(scene, &BusError::malformed("person")))?;
    let Person { account, openid, unionid, profile } = person;
    let user = ask_store(deadline, || redeem.users.find_current(&account, &openid)).await;
    let user = user.map_err(|error| from_store_retry(&account, error))?;
    let (registered, logins) = user.map_or((false, 0), |user| (user.registered, user.logins));
    Ok(RedeemedLogin { account, openid, unionid, profile, registered, logins })
}

/// The account of the call: the account that it names, or the only account of the API key.
fn account_of(caller: ApiCaller<'_>, named: Option<AccountName>) -> Result<AccountName, Problem> {
    match named {
        Some(named) if caller.accounts.contains(&named) => Ok(named),
        Some(named) => {
            if UNUSABLE_LOG_RATE.allows() {
                tracing::warn!(
                    site = caller.name,
                    account = %named,
                    "a site's redeem call names an account that its API key isn't for; see accounts of that key in api_keys"
                );
            }
            Err(RedeemError::Unknown.into())
        }
        None if caller.accounts.len() == 1 => Ok(caller.accounts.iter().next().expect("there is one").clone()),
        None => Err(Problem::bad_request("this API key is for several accounts: name one as `account`")),
    }
}

/// The delivery id of a call. It is the same only for the same call with the same idempotency key: a call with another
/// account, grant or state doesn't get the first call's answer.
fn delivery(
    headers: &HeaderMap,
    caller: ApiCaller<'_>,
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

/// What a settled redeem means for the site.
fn outcome(settled: Settled, account: &AccountName, grant: GrantDigest) -> Result<SceneSnapshot, RedeemError> {
    match settled {
        Settled::Repeated(snapshot) if snapshot.remaining.is_zero() => Err(RedeemError::Expired),
        Settled::Applied(snapshot) | Settled::Repeated(snapshot) => Ok(snapshot),
        Settled::Refused(SettleRefusal::Guard(SceneField::Binding), _) => Err(RedeemError::StateMismatch),
        Settled::Refused(SettleRefusal::State(SceneState::Open | SceneState::Scanned), snapshot)
            if snapshot.account().as_ref() == Some(account) =>
        {
            Err(RedeemError::NotYet)
        }
        Settled::Refused(SettleRefusal::State(state), snapshot) if is_grant_of(&snapshot, account, grant) => {
            match state {
                SceneState::Redeemed => Err(RedeemError::Used),
                _ => Err(RedeemError::Expired),
            }
        }
        Settled::Refused(..) | Settled::Unknown => Err(RedeemError::Unknown),
    }
}

/// Whether this is the scene's own grant. Only a site that has it is told what became of it.
fn is_grant_of(snapshot: &SceneSnapshot, account: &AccountName, grant: GrantDigest) -> bool {
    snapshot.account().as_ref() == Some(account) && snapshot.fields.get(&SceneField::Grant) == Some(&grant.to_string())
}

#[cfg(test)]
#[path = "redeem_tests.rs"]
mod tests;
