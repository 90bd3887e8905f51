//! The gateways' calls: open, re-open, cancel.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, request::Parts},
    routing::post,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use scenecast_bus::SceneWriter;
use scenecast_metrics::{Stage, Stages};
use scenecast_scene::{
    Cause, DeliveryId, NewScene, Rotating, Settled, Transition,
    internal::{
        CANCEL_PATH, CallSignatureError, CancelCall, HEADER, MAX_BODY_BYTES, MAX_REOPEN_BATCH, OPEN_PATH, OpenCall,
        OpenedHandle, REOPEN_PATH, ReopenCall, verify,
    },
    time::{unix_now, unix_now_ms},
};
use scenecast_service::http::{Problem, read_body};
use scenecast_traces::{LoginSpan, ServedRequest};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Span;

use super::handle::{HandleFactory, HandleRequest};
use crate::{
    accounts::AccountRegistry,
    problems::{from_bus, from_bus_retry},
    request::{TRACEPARENT, header, json},
    retry::settle,
    wechat::call_deadline,
};

/// The longest life of a scene, which the scenes of compatible routes have.
const MAX_LIFE: Duration = Duration::from_secs(60 * 60);
/// How many scenes are opened again at a time.
const REOPENED_AT_ONCE: usize = 64;
/// How long a cancel may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(4);

/// What the gateways' calls need.
pub(crate) struct GatewayCalls {
    /// The secret that signs the calls.
    pub(crate) secret: Rotating,
    pub(crate) accounts: AccountRegistry,
    pub(crate) bus: SceneWriter,
    pub(crate) stages: Stages,
    pub(crate) handles: HandleFactory,
}

pub(crate) fn router(calls: GatewayCalls) -> Router {
    Router::new()
        .route(OPEN_PATH, post(open))
        .route(REOPEN_PATH, post(reopen))
        .route(CANCEL_PATH, post(cancel))
        .with_state(Arc::new(calls))
}

/// The call's body, if a gateway signed it.
async fn verified_body<T: DeserializeOwned>(secret: &Rotating, request: Request) -> Result<T, Problem> {
    let (head, body) = request.into_parts();
    verify_call(secret, &head, body).await
}

/// The same, of a request in parts.
async fn verify_call<T: DeserializeOwned>(secret: &Rotating, head: &Parts, body: Body) -> Result<T, Problem> {
    let body = read_body(body, MAX_BODY_BYTES).await?;
    let signature = header(&head.headers, HEADER).unwrap_or_default();
    verify(secret, unix_now(), head.uri.path(), &body, signature).map_err(|error| {
        let remedy = match error {
            CallSignatureError::Stale => "synchronize the clocks of gateways and callbacks (NTP)",
            CallSignatureError::Unsigned | CallSignatureError::Mismatch => {
                "give gateways and callbacks the same internal_secret"
            }
        };
        tracing::warn!(%error, remedy, "refused a call to the internal listener");
        Problem::new(StatusCode::UNAUTHORIZED, "signature_invalid", error.to_string())
    })?;
    json(&body)
}

#[tracing::instrument(skip_all, fields(account, scene))]
async fn open(State(calls): State<Arc<GatewayCalls>>, request: Request) -> Result<Json<OpenedHandle>, Problem> {
    let arrived = SystemTime::now();
    let (head, body) = request.into_parts();
    let call: OpenCall = verify_call(&calls.secret, &head, body).await?;
    let request = ServedRequest { route: OPEN_PATH, path: OPEN_PATH, arrived };
    let span = LoginSpan::of_request_within(call.scene, &request, header(&head.headers, TRACEPARENT));
    let opened = open_scene(&calls, call, span.traceparent()).await;
    span.answered(Some(opened.as_ref().map_or_else(|problem| problem.status.as_u16(), |_| 200)));
    opened.map(Json)
}

async fn open_scene(
    calls: &GatewayCalls,
    call: OpenCall,
    traceparent: Option<String>,
) -> Result<OpenedHandle, Problem> {
    let OpenCall { scene, account, binding, page, limited_as, life_ms, handle, may_ask_again } = call;
    Span::current().record("account", account.as_str()).record("scene", tracing::field::display(scene));
    let life = life(life_ms).ok_or_else(|| Problem::bad_request("life_ms must be 1 to 3600000"))?;
    let client = limited_as.or(page.address);
    let wanted = HandleRequest { account: &account, scene, life, handle, client, wechat_by: call_deadline() };
    let accounts = calls.accounts.current();
    let opened = if may_ask_again {
        calls.handles.find_or_make(&accounts, wanted).await?
    } else {
        calls.handles.make(&accounts, wanted).await?
    };
    let opening = NewScene { account, binding, page, life, traceparent };
    if calls.bus.open(scene, &opening).await.map_err(|error| from_bus(scene, &error))? {
        calls.stages.count(Stage::Opened);
    }
    Ok(opened)
}

/// Opens again the scenes that Redis has lost, with the codes that their pages show, and answers how many. Skips scenes that
/// exist, and scenes whose account isn't here.
async fn reopen(State(calls): State<Arc<GatewayCalls>>, request: Request) -> Result<Json<usize>, Problem> {
    let lost: Vec<ReopenCall> = verified_body(&calls.secret, request).await?;
    if lost.len() > MAX_REOPEN_BATCH {
        return Err(Problem::bad_request(format!("there are more than {MAX_REOPEN_BATCH} scenes")));
    }
    let accounts = calls.accounts.current();
    let openings = lost.into_iter().filter_map(|ReopenCall { scene, account, binding, page, life_ms, typed_code }| {
        let is_here = accounts.has(&account);
        is_here.then_some((
            scene,
            NewScene { account, binding, page, life: life(life_ms)?, traceparent: None },
            typed_code,
        ))
    });
    let opened = stream::iter(openings)
        .map(async |(scene, opening, typed_code)| {
            if let Some(code) = typed_code {
                calls.handles.restore_typed(&opening.account, scene, opening.life, &code).await?;
            }
            calls.bus.open(scene, &opening).await.map_err(|error| from_bus(scene, &error))
        })
        .buffer_unordered(REOPENED_AT_ONCE)
        .try_fold(0, async |opened, is_new| Ok(opened + usize::from(is_new)))
        .await?;
    if opened > 0 {
        tracing::info!(opened, "opened scenes again that Redis had lost");
    }
    Ok(Json(opened))
}

/// Cancels a scene. A scene that has ended already, or is unknown, is no error.
async fn cancel(State(calls): State<Arc<GatewayCalls>>, request: Request) -> Result<StatusCode, Problem> {
    let CancelCall { scene } = verified_body(&calls.secret, request).await?;
    let cause = Cause {
        delivery: DeliveryId::of(&["cancel", &scene.to_string()]),
        received_at: unix_now_ms(),
        traceparent: None,
    };
    let settled = settle(&calls.bus, scene, &cause, &Transition::Cancel, Instant::now() + CANCEL_TIMEOUT).await;
    if let Settled::Applied(_) = settled.map_err(|error| from_bus_retry(scene, error))? {
        calls.stages.count(Stage::Cancelled);
    }
    Ok(StatusCode::NO_CONTENT)
}

fn life(millis: u64) -> Option<Duration> {
    let life = Duration::from_millis(millis);
    (!life.is_zero() && life <= MAX_LIFE).then_some(life)
}
