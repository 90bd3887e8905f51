//! A page that chooses an id. It shows a QR code for the id, and connects to a WebSocket whose path ends in it, on
//! which the gateway only ever sends the name of the person who logged in. Older pages poll for the result instead.
//!
//! | route | what |
//! |---|---|
//! | `/wx/websocket/{id}`, `/websocket/{id}` | the socket |
//! | `GET /wx/qrcode/{id}` | the QR code, as an image |
//! | `GET /wx/result/{id}` | 204, or the login as JSON |

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
    cookie_wait,
    push_socket::accept,
    route_context::{RouteContext, cookies_of, parse_chosen_id, visitor_with_id},
    scene_image::SceneImage,
};

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

/// The image of the code. It waits for the cookie of its page's socket.
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
        (None, _) => {
            if let Some(again) = cookie_wait::wait(&uri).await {
                return Ok(again);
            }
            let (_, set_cookie) = context.new_scene(&cookies, id.as_str()).await?;
            Ok((set_cookie, cookie_wait::redirect_to_self(GIVEN)).into_response())
        }
    }
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
