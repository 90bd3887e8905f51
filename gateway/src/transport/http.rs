//! The routes of the own API: `/v1/…`.

use std::time::{Duration, Instant};

use axum::{
    Json, Router,
    extract::{
        Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{from_fn, from_fn_with_state, map_request_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use scenecast_scene::{Claims, SceneId};
use scenecast_service::{
    admission::{Admission, admit_clients, reject_overloaded},
    config::Origins,
    http::{
        ListenerKind, MisplacedRequests, Problem, TrustedProxies, read_body, refuse_large_heads, with_client_address,
        with_problems,
    },
    listener::Detachable,
};
use serde::Deserialize;

use super::{
    cors::{LAST_EVENT_ID, cors, trim_requested_headers},
    origin_check::{OriginCheck, check_origin},
    page_files, poll, sse,
    visitor::{returning_visitor_of, visitor_of},
    websocket::{self, CloseReason, KeepAlive, WebSocketUpgrade},
};
use crate::{
    scenes::{OpenRequest, open_fault},
    state::GatewayState,
};

/// The longest request body, in bytes.
const MAX_BODY_BYTES: usize = 4096;
/// The longest wait that a poll may ask for, …
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// … and the default: shorter than the timeouts of usual proxies.
const DEFAULT_WAIT: Duration = Duration::from_secs(25);

/// The routes of the own API, and the `compatible` ones beside them.
pub(crate) fn router(
    state: &GatewayState,
    compatible: Router,
    origins: &Origins,
    proxies: &TrustedProxies,
    admission: &Admission,
) -> Router {
    let requests = Router::new()
        .route("/v1/scenes", post(open_scene))
        .route("/v1/scenes/{scene}", get(poll_scene).delete(cancel_scene))
        .route("/v1/scenes/{scene}/events", get(stream_events))
        .layer(from_fn(reject_overloaded))
        .route("/v1/ws", get(open_socket))
        .with_state(state.clone());
    let misplaced = MisplacedRequests::at(ListenerKind::Browsers, admission.bad_requests());
    let api = for_pages(with_problems(requests.merge(compatible), &misplaced), state, origins, proxies, admission);
    page_files::routes().merge(api)
}

/// Adds to routes what all requests of pages go through: client address, CORS, admission and origin check.
pub(crate) fn for_pages(
    routes: Router,
    state: &GatewayState,
    origins: &Origins,
    proxies: &TrustedProxies,
    admission: &Admission,
) -> Router {
    // The first is the outermost. The CORS layer is outside of those that refuse requests, so that pages can read why. The
    // admission is outside of the origin check, so that pages of other origins count towards their address's limits, too.
    // They are one layer: of several, each would be cloned once for each layer around it, with every request.
    routes.layer((
        from_fn_with_state(proxies.clone(), with_client_address),
        map_request_with_state(origins.clone(), trim_requested_headers),
        cors(origins),
        from_fn_with_state(admission.bad_requests().clone(), refuse_large_heads),
        from_fn_with_state(admission.clone(), admit_clients),
        from_fn_with_state(OriginCheck::new(origins, state), check_origin),
    ))
}

/// The query of a WebSocket.
#[derive(Deserialize)]
struct SocketQuery {
    /// Whatever its value, the page wants heartbeats. Others get none, since they may take any frame for an event.
    heartbeat: Option<String>,
}

/// Accepts a WebSocket even where there is no room for it, and then closes it with the reason. Browsers hide the
/// status of a failed handshake.
async fn open_socket(State(state): State<GatewayState>, mut request: Request) -> Result<Response, Problem> {
    let (upgrade, headers) = WebSocketUpgrade::from_request(&mut request, Some(websocket::SUBPROTOCOL))?;
    let query = Query::<SocketQuery>::try_from_uri(request.uri());
    let wants_heartbeats = query.is_ok_and(|Query(query)| query.heartbeat.is_some());
    let visitor = returning_visitor_of(&request);
    let shutdown = state.shutdown().clone();
    shutdown.clone().spawn(async move {
        let overloaded = upgrade.overloaded();
        let Some((socket, early)) = upgrade.into_socket().await else { return };
        match overloaded {
            Some(problem) => CloseReason::NotAdmitted(problem).notify_and_close(socket).await,
            // In a task of its own: what the upgrade needed is given back while the page waits.
            None => {
                let keep_alive = KeepAlive::new(wants_heartbeats, Instant::now());
                shutdown.spawn(websocket::serve_page(state, visitor, socket, keep_alive, early));
            }
        }
    });
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn open_scene(State(state): State<GatewayState>, request: Request) -> Result<Response, Problem> {
    let visitor = visitor_of(&request);
    let body = read_body(request.into_body(), MAX_BODY_BYTES).await?;
    let open: OpenRequest = serde_json::from_slice(&body).map_err(|_| Problem::bad_request(open_fault(&body)))?;
    let (_, opened, _) = state.scenes().open(&open, &visitor).await?;
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, headers, Json(opened)).into_response())
}

async fn stream_events(
    State(state): State<GatewayState>,
    scene: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let claims = check_key(&state, scene, request.headers())?;
    let after = match request.headers().get(LAST_EVENT_ID) {
        None => 0,
        Some(seq) => seq.to_str().ok().and_then(|seq| seq.parse().ok()).ok_or_else(|| {
            Problem::bad_request("Last-Event-ID has to be the id of the last event that the page has seen")
        })?,
    };
    let visitor = returning_visitor_of(&request);
    let detachable = Detachable::of(&request);
    // Its headers share hyper's buffer, which is 8 KB.
    drop(request);
    sse::events(state, claims, after, visitor, detachable).await
}

/// The query of a poll.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PollQuery {
    /// The `seq` of the last event that the page has seen.
    #[serde(default)]
    after: u64,
    /// The longest time until the answer, in seconds.
    wait: Option<u64>,
}

async fn poll_scene(
    State(state): State<GatewayState>,
    scene: Result<Path<String>, PathRejection>,
    query: Result<Query<PollQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let claims = check_key(&state, scene, request.headers())?;
    let invalid =
        || Problem::bad_request("a poll takes after, the seq of the last event seen, and wait, 0 to 30 seconds");
    let Query(PollQuery { after, wait }) = query.map_err(|_| invalid())?;
    let wait = wait.map_or(DEFAULT_WAIT, Duration::from_secs);
    if wait > LONGEST_WAIT {
        return Err(invalid());
    }
    let visitor = returning_visitor_of(&request);
    let detachable = Detachable::of(&request);
    drop(request);
    poll::poll(state, claims, after, wait, visitor, detachable).await
}

async fn cancel_scene(
    State(state): State<GatewayState>,
    scene: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let claims = check_key(&state, scene, &headers)?;
    state.scenes().callback().cancel(claims.scene).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Checks that the request shows the key of the scene in its path. Returns what the key says.
fn check_key(
    state: &GatewayState,
    scene: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
) -> Result<Claims, Problem> {
    let key = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "key_missing", "send the scene's key as Bearer token"))?;
    let claims = state.scenes().check_key(key)?;
    if scene.ok().and_then(|Path(scene)| scene.parse::<SceneId>().ok()) != Some(claims.scene) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "key_invalid", "this key belongs to another scene"));
    }
    Ok(claims)
}
