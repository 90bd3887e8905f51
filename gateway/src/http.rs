//! What browsers can ask: `/v1/…`.

use axum::{
    Json, Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use scenecast_shared::{
    config::Origins,
    scene::SceneId,
    serve::{Problem, TrustedProxies, crowded, read_body, turn_away, with_client_address, with_problems},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    hold::hold,
    pages::Pages,
    visitor::page_of,
    wire::Open,
    ws::{self, Socket, Upgrade},
};

/// The page's JavaScript.
const MODULE: &str = include_str!("../web/scenecast.js");
/// The longest body, in bytes.
const BODY_AT_MOST: usize = 4096;

/// The own API's routes, and the `compatible` ones beside them.
pub(crate) fn router(pages: Pages, compatible: Router, origins: &Origins, proxies: &TrustedProxies) -> Router {
    let requests = Router::new()
        .route("/v1/scenes", post(open_scene))
        .route("/v1/scenes/{scene}", delete(give_up))
        .layer(from_fn(turn_away))
        .route("/v1/ws", get(open_socket))
        .with_state(pages);
    let api = for_pages(with_problems(requests.merge(compatible)), origins, proxies);
    Router::new().route("/v1/scenecast.js", get(module)).merge(api)
}

/// These routes, for pages of these origins.
pub(crate) fn for_pages(routes: Router, origins: &Origins, proxies: &TrustedProxies) -> Router {
    let allowed = origins.clone();
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            origin.to_str().is_ok_and(|origin| allowed.allow(origin))
        }))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("last-event-id")])
        // For the compatible routes' cookies; the own API looks at none.
        .allow_credentials(true)
        .max_age(std::time::Duration::from_secs(600));
    // Browsers can read what the inner ones refuse, too.
    routes
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
    (headers, MODULE)
}

/// A page of another site can't open scenes with its visitors' browsers. No Origin at all is
/// normal on same-origin GETs, and what a program sends that is no browser.
async fn check_origin(State(origins): State<Origins>, request: Request, next: Next) -> Result<Response, Problem> {
    match request.headers().get(header::ORIGIN) {
        Some(origin) if !origin.to_str().is_ok_and(|origin| origins.allow(origin)) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "origin_forbidden",
            "pages of this origin may not open scenes here",
        )),
        _ => Ok(next.run(request).await),
    }
}

/// Beyond the ceiling too it is let in, to be told: browsers hide the status of a failed handshake.
async fn open_socket(State(pages): State<Pages>, mut request: Request) -> Result<Response, Problem> {
    let (upgrade, headers) = Upgrade::of(&mut request, Some(ws::PROTOCOL))?;
    let page = page_of(&request);
    let shutdown = pages.shutdown().clone();
    shutdown.spawn(async move {
        let is_crowded = upgrade.is_crowded();
        let Some((socket, early)) = upgrade.socket().await else { return };
        if is_crowded {
            Box::pin(refuse(socket)).await;
        } else {
            hold(pages, page, socket, early).await;
        }
    });
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn refuse(mut socket: Socket) {
    for action in crate::session::refuse(&crowded()) {
        match action {
            crate::session::Action::Send(text) if socket.send(&text).is_err() => return,
            crate::session::Action::Close(code, reason) => return socket.close(code, &reason).await,
            _ => {}
        }
    }
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

async fn give_up(
    State(pages): State<Pages>,
    scene: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let key = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "key_missing", "send the scene's key as Bearer"))?;
    let claims = pages.check(key)?;
    if scene.ok().and_then(|Path(scene)| scene.parse::<SceneId>().ok()) != Some(claims.scene) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "key_invalid", "this key belongs to another scene"));
    }
    pages.opener().cancel(claims.scene).await?;
    Ok(StatusCode::NO_CONTENT)
}
