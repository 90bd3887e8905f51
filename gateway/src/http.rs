//! What browsers can ask: `/v1/…`.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{
        Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use scenecast_shared::{
    config::Origins,
    scene::{Claims, SceneId},
    serve::{
        Admission, Problem, TrustedProxies, admit_clients, read_body, turn_away, with_client_address, with_problems,
    },
};
use serde::Deserialize;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    hold::{Leave, hold},
    module::page_module,
    pages::Pages,
    poll::poll,
    sse,
    visitor::page_of,
    wire::Open,
    ws::{self, Upgrade},
};

/// The longest body, in bytes.
const BODY_AT_MOST: usize = 4096;
/// The longest that a poll may wait, …
const WAIT_AT_MOST: Duration = Duration::from_secs(30);
/// … and how long it does unless it says so: less than proxies do.
const WAIT: Duration = Duration::from_secs(25);
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The own API's routes, and the `compatible` ones beside them.
pub(crate) fn router(
    pages: Pages,
    compatible: Router,
    origins: &Origins,
    proxies: &TrustedProxies,
    admission: &Admission,
) -> Router {
    let requests = Router::new()
        .route("/v1/scenes", post(open_scene))
        .route("/v1/scenes/{scene}", get(poll_scene).delete(give_up))
        .route("/v1/scenes/{scene}/events", get(stream_events))
        .layer(from_fn(turn_away))
        .route("/v1/ws", get(open_socket))
        .with_state(pages);
    let api = for_pages(with_problems(requests.merge(compatible)), origins, proxies, admission);
    Router::new().route("/v1/scenecast.js", get(module)).merge(api)
}

/// These routes, for pages of these origins.
pub(crate) fn for_pages(routes: Router, origins: &Origins, proxies: &TrustedProxies, admission: &Admission) -> Router {
    let allowed = origins.clone();
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            origin.to_str().is_ok_and(|origin| allowed.allow(origin))
        }))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, LAST_EVENT_ID])
        // For the compatible routes' cookies; the own API looks at none.
        .allow_credentials(true)
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(600));
    // Browsers can read what the inner ones refuse, too.
    routes
        .layer(from_fn_with_state(admission.clone(), admit_clients))
        .layer(from_fn_with_state(origins.clone(), check_origin))
        .layer(cors)
        .layer(from_fn_with_state(proxies.clone(), with_client_address))
}

/// The module may be imported from any origin; what it opens is checked.
async fn module() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, page_module())
}

/// A page of another site can't open scenes with its visitors' browsers. No Origin at all is
/// normal on same-origin GETs, and what a program sends that is no browser; but pictures of other
/// sites' pages have none either, and browsers say that they are such.
async fn check_origin(State(origins): State<Origins>, request: Request, next: Next) -> Result<Response, Problem> {
    let is_allowed = match request.headers().get(header::ORIGIN) {
        Some(origin) => origin.to_str().is_ok_and(|origin| origins.allow(origin)),
        None => request.headers().get(SEC_FETCH_SITE).is_none_or(|site| site != "cross-site"),
    };
    if is_allowed {
        return Ok(next.run(request).await);
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "origin_forbidden", "pages of this origin may not open scenes here"))
}

/// Where there is no room too it is let in, to be told: browsers hide the status of a failed handshake.
async fn open_socket(State(pages): State<Pages>, mut request: Request) -> Result<Response, Problem> {
    let (upgrade, headers) = Upgrade::of(&mut request, Some(ws::PROTOCOL))?;
    let page = page_of(&request);
    let shutdown = pages.shutdown().clone();
    shutdown.spawn(async move {
        let refused = upgrade.refused();
        let Some((socket, early)) = upgrade.socket().await else { return };
        match refused {
            Some(problem) => Box::pin(Leave::from(problem).take(socket)).await,
            None => hold(pages, page, socket, early).await,
        }
    });
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn open_scene(State(pages): State<Pages>, request: Request) -> Result<Response, Problem> {
    let page = page_of(&request);
    let body = read_body(request.into_body(), BODY_AT_MOST).await?;
    let asked: Open = serde_json::from_slice(&body).map_err(|_| {
        Problem::bad_request("expected JSON with account and, optionally, a state of 1 to 256 bytes and a locale")
    })?;
    let (_, opened) = pages.open(&asked, page).await?;
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, headers, Json(opened)).into_response())
}

async fn stream_events(
    State(pages): State<Pages>,
    scene: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let claims = owner(&pages, scene, &headers)?;
    let after = match headers.get(LAST_EVENT_ID) {
        None => 0,
        Some(seq) => seq.to_str().ok().and_then(|seq| seq.parse().ok()).ok_or_else(|| {
            Problem::bad_request("Last-Event-ID has to be the id of the last event that this scene's page has seen")
        })?,
    };
    sse::events(pages, claims, after).await
}

/// What a poll asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Poll {
    /// The `seq` of the last event that the page has seen.
    #[serde(default)]
    after: u64,
    /// How long it may take, in seconds.
    wait: Option<u64>,
}

async fn poll_scene(
    State(pages): State<Pages>,
    scene: Result<Path<String>, PathRejection>,
    asked: Result<Query<Poll>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let claims = owner(&pages, scene, &headers)?;
    let asked = asked.ok().map(|Query(Poll { after, wait })| (after, wait.map_or(WAIT, Duration::from_secs)));
    let (after, wait) = asked.filter(|(_, wait)| *wait <= WAIT_AT_MOST).ok_or_else(|| {
        Problem::bad_request("a poll takes after, the seq of the last event seen, and wait, 0 to 30 seconds")
    })?;
    poll(pages, claims, after, wait).await
}

async fn give_up(
    State(pages): State<Pages>,
    scene: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let claims = owner(&pages, scene, &headers)?;
    pages.opener().cancel(claims.scene).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the key says that the request shows, if it is the scene's.
fn owner(pages: &Pages, scene: Result<Path<String>, PathRejection>, headers: &HeaderMap) -> Result<Claims, Problem> {
    let key = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "key_missing", "send the scene's key as Bearer"))?;
    let claims = pages.check(key)?;
    if scene.ok().and_then(|Path(scene)| scene.parse::<SceneId>().ok()) != Some(claims.scene) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "key_invalid", "this key belongs to another scene"));
    }
    Ok(claims)
}
