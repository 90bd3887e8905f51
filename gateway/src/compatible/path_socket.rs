//! A page that chooses an id. It shows a QR code for the id, and connects to a WebSocket whose path ends in it, on
//! which the gateway only ever sends the name of the person who logged in. Older pages poll for the result instead.
//!
//! | route | what |
//! |---|---|
//! | `/wx/websocket/{id}`, `/websocket/{id}` | the socket |
//! | `GET /wx/qrcode/{id}` | the QR code, as an image |
//! | `GET /wx/result/{id}` | 204, or the login as JSON |

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{StatusCode, Uri, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::get,
};
use scenecast_scene::{ChosenId, Login, internal::Handle};
use scenecast_service::{admission::reject_overloaded, http::Problem};
use serde_json::json;

use super::{
    push_socket::accept,
    route_context::{RouteContext, cookies_of, parse_chosen_id, visitor_with_id},
    scene_image::SceneImage,
};

/// How long an image request waits, each time, for the cookie that the answer to its page's socket sets. A far
/// browser needs three round trips for that, and one more second if a packet is lost.
const COOKIE_WAITS: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(700), Duration::from_secs(1)];
/// The query of an image request that has waited; the number of waits follows.
const WAITED: &str = "cookie=waited";
/// The query of an image request that was given a cookie.
const GIVEN: &str = "cookie=given";

pub(super) fn router<S>(context: RouteContext) -> Router<S> {
    let requests = Router::new()
        .route("/wx/qrcode/", get(missing_id))
        .route("/wx/qrcode/{*id}", get(image))
        .route("/wx/result/", get(missing_id))
        .route("/wx/result/{*id}", get(result))
        .layer(from_fn(reject_overloaded));
    Router::new()
        .route("/wx/websocket/", get(missing_id))
        .route("/wx/websocket/{*id}", get(connect))
        .route("/websocket/", get(missing_id))
        .route("/websocket/{*id}", get(connect))
        .merge(requests)
        .with_state(context)
}

/// The id in the path. A path that is not text has none.
type IdPath = Result<Path<String>, PathRejection>;

fn chosen_id(id: IdPath) -> Result<ChosenId, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_request("the id isn't text"))?;
    if id.contains('/') { Err(Problem::bad_request("the id can't have a slash")) } else { parse_chosen_id(&id) }
}

async fn missing_id() -> Problem {
    Problem::bad_request("the path has to end in an id of 1 to 64 visible ASCII characters")
}

async fn connect(State(context): State<RouteContext>, id: IdPath, request: Request) -> Result<Response, Problem> {
    accept(context, request, chosen_id(id)?, |login| login.profile.name.clone()).await
}

/// The image of the code. A page requests it and opens its socket at the same moment, and then neither request has
/// a cookie. So the image waits for the socket's answer to set one, by redirects to itself. If none comes, the page
/// has no socket, and the image sets the cookie. If it did so at once, image and socket would be of two scenes.
async fn image(
    State(context): State<RouteContext>,
    id: IdPath,
    uri: Uri,
    request: Request,
) -> Result<Response, Problem> {
    let id = chosen_id(id)?;
    let cookies = cookies_of(&request);
    match (context.usable_scene(context.cookie(&cookies, id.as_str())).await, uri.query()) {
        (Some(claims), _) => {
            let code = context.open(&claims, visitor_with_id(&request, Some(id)), Handle::Any).await?;
            Ok(SceneImage::of_code(&claims, &code)?.into_response())
        }
        (None, Some(GIVEN)) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cookie_missing",
            "this browser has to accept cookies to get the code",
        )),
        (None, query) => {
            let waited: usize = query.and_then(|query| query.strip_prefix(WAITED)?.parse().ok()).unwrap_or(0);
            if let Some(time) = COOKIE_WAITS.get(waited) {
                tokio::time::sleep(*time).await;
                return Ok(redirect_to_self(&format!("{WAITED}{}", waited + 1)));
            }
            let (_, set_cookie) = context.new_scene(&cookies, id.as_str()).await?;
            Ok((set_cookie, redirect_to_self(GIVEN)).into_response())
        }
    }
}

/// Has the browser send the request again, with this query and the cookies that it has by then.
fn redirect_to_self(query: &str) -> Response {
    let headers = [(header::LOCATION, format!("?{query}")), (header::CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
}

/// The result, for pages that poll instead of using a socket.
async fn result(State(context): State<RouteContext>, id: IdPath, request: Request) -> Result<Response, Problem> {
    let id = chosen_id(id)?;
    let visitor = visitor_with_id(&request, Some(id.clone()));
    let cookies = cookies_of(&request);
    let login = context.login(context.watcher_cookie(&cookies, id.as_str()), visitor).await;
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok(match login {
        Some(login) => (no_store, Json(result_json(&login, &id))).into_response(),
        None => (StatusCode::NO_CONTENT, no_store).into_response(),
    })
}

fn result_json(login: &Login, id: &ChosenId) -> serde_json::Value {
    json!({
        "nickname": login.profile.name,
        "state": 1,
        // WeChat has given no region since 2021.
        "location": "",
        "equipmentType": id.as_str(),
        // The grant, in place of the openid. The site's backend redeems it.
        "phoneIme": login.grant.to_string(),
    })
}
