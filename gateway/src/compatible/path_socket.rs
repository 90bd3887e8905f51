//! A page that chooses an id: a QR code for it, and a WebSocket whose path ends in it, on which the
//! name of whoever logs in is the only thing ever said; or, before there was that, a result to poll for.
//!
//! | route | what |
//! |---|---|
//! | `/wx/websocket/{id}`, `/websocket/{id}` | the socket |
//! | `GET /wx/qrcode/{id}` | the QR code, as a picture |
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
use scenecast_shared::{
    internal::Handle,
    scene::{ChosenId, Login},
    serve::{Problem, turn_away},
};
use serde_json::json;

use super::{
    flow::{Flow, chosen, cookies_of, visitor},
    one_way::accept,
    picture::Picture,
};

/// How long a picture waits, each time, for its page's socket to be answered, which has the cookie that both
/// need: a far browser needs three round trips for that, and one more second if a packet is lost.
const COOKIE_COMES_WITHIN: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(700), Duration::from_secs(1)];
/// What a picture is asked for with, having waited so many times, …
const WAITED: &str = "cookie=waited";
/// … and having been given a cookie.
const GIVEN: &str = "cookie=given";

pub(super) fn router<S>(flow: Flow) -> Router<S> {
    let pictures = Router::new()
        .route("/wx/qrcode/", get(no_id))
        .route("/wx/qrcode/{*id}", get(picture))
        .route("/wx/result/", get(no_id))
        .route("/wx/result/{*id}", get(result))
        .layer(from_fn(turn_away));
    Router::new()
        .route("/wx/websocket/", get(no_id))
        .route("/wx/websocket/{*id}", get(connect))
        .route("/websocket/", get(no_id))
        .route("/websocket/{*id}", get(connect))
        .merge(pictures)
        .with_state(flow)
}

/// The id in the path; what isn't text can't be one.
type IdPath = Result<Path<String>, PathRejection>;

fn named(id: IdPath) -> Result<ChosenId, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_request("the id isn't text"))?;
    if id.contains('/') { Err(Problem::bad_request("the id can't have a slash")) } else { chosen(&id) }
}

async fn no_id() -> Problem {
    Problem::bad_request("the path has to end in an id of 1 to 64 visible ASCII characters")
}

async fn connect(State(flow): State<Flow>, id: IdPath, request: Request) -> Result<Response, Problem> {
    accept(flow, request, named(id)?, |login| login.profile.name.clone()).await
}

/// The picture. A page asks for it and opens its socket at the same moment, and then neither has a
/// cookie: the socket's is waited for, and where none comes, as for a page that has no socket, one is given
/// before there is a scene. One that is given sooner would be the picture's alone, and its scene watched by nobody.
async fn picture(State(flow): State<Flow>, id: IdPath, uri: Uri, request: Request) -> Result<Response, Problem> {
    let id = named(id)?;
    let cookies = cookies_of(&request);
    match (flow.alive(flow.kept(&cookies, id.as_str())).await, uri.query()) {
        (Some(claims), _) => {
            let opened = flow.open(&claims, visitor(&request, Some(id)), Handle::Any).await?;
            Ok(Picture::of(&opened)?.into_response())
        }
        (None, Some(GIVEN)) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cookie_missing",
            "only the browser that waits may have the code, and this one keeps no cookie of ours",
        )),
        (None, query) => {
            let waited: usize = query.and_then(|query| query.strip_prefix(WAITED)?.parse().ok()).unwrap_or(0);
            if let Some(time) = COOKIE_COMES_WITHIN.get(waited) {
                tokio::time::sleep(*time).await;
                return Ok(ask_again(&format!("{WAITED}{}", waited + 1)));
            }
            let (_, kept) = flow.begin(&cookies, id.as_str());
            Ok((kept, ask_again(GIVEN)).into_response())
        }
    }
}

/// Has the browser ask again, with the cookies that it has by then.
fn ask_again(marker: &str) -> Response {
    let headers = [(header::LOCATION, format!("?{marker}")), (header::CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
}

/// What a page polls for that has no socket.
async fn result(State(flow): State<Flow>, id: IdPath, request: Request) -> Result<Response, Problem> {
    let id = named(id)?;
    let page = visitor(&request, Some(id.clone()));
    let cookies = cookies_of(&request);
    let login = flow.login(flow.watched(&cookies, id.as_str()), page).await;
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok(match login {
        Some(login) => (no_store, Json(shown(&login, &id))).into_response(),
        None => (StatusCode::NO_CONTENT, no_store).into_response(),
    })
}

fn shown(login: &Login, id: &ChosenId) -> serde_json::Value {
    json!({
        "nickname": login.profile.name,
        "state": 1,
        // WeChat has told no region since 2021.
        "location": "",
        "equipmentType": id.as_str(),
        // In place of the openid, which is for the site's backend only: that redeems this for it.
        "phoneIme": login.grant.to_string(),
    })
}
