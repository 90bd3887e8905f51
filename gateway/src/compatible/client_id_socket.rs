//! A page that chooses an id: a mini-program code for it, in an envelope, and a WebSocket with the id in
//! its query, on which whoever logs in is told as JSON.
//!
//! | route | what |
//! |---|---|
//! | `/websocket?clientid=` | the socket |
//! | `POST /miniapp/getwxacodeunlimit` | the code, as a `data:` address |

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use scenecast_shared::{
    internal::Handle,
    scene::{ChosenId, Login},
    serve::{Problem, read_body},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    flow::{Flow, chosen, cookies_of, room, visitor},
    one_way::accept,
    picture::Picture,
};

/// The longest body, in bytes.
const BODY_AT_MOST: usize = 4096;

pub(super) fn router<S>(flow: Flow) -> Router<S> {
    Router::new().route("/websocket", get(connect)).route("/miniapp/getwxacodeunlimit", post(code)).with_state(flow)
}

#[derive(Deserialize)]
struct Asked {
    clientid: String,
}

async fn connect(State(flow): State<Flow>, request: Request) -> Result<Response, Problem> {
    let Query(asked) = Query::<Asked>::try_from_uri(request.uri())
        .map_err(|_| Problem::bad_request("the query has to name one clientid"))?;
    accept(flow, request, chosen(&asked.clientid)?, user).await
}

/// Who logged in. The grant stands in for the openid, which is for the site's backend only.
fn user(login: &Login) -> String {
    let grant = login.grant.to_string();
    let profile = &login.profile;
    json!({ "openid": grant, "nickname": profile.name, "avatar": profile.avatar, "grant": grant }).to_string()
}

/// The code. Its page tells success and failure by what is in the envelope, never by the status.
async fn code(State(flow): State<Flow>, request: Request) -> Response {
    match make_code(&flow, request).await {
        Ok((headers, picture)) => {
            (headers, Json(json!({ "code": 200, "data": picture.data_url(), "msg": "ok" }))).into_response()
        }
        Err(problem) => Json(json!({ "code": 400, "data": "", "msg": problem.detail })).into_response(),
    }
}

async fn make_code(flow: &Flow, mut request: Request) -> Result<(HeaderMap, Picture), Problem> {
    room(&request)?;
    let body = read_body(std::mem::take(request.body_mut()), BODY_AT_MOST).await?;
    let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    let id = scene_of(&body, is_json)?;
    let cookies = cookies_of(&request);
    let (claims, kept) = match flow.alive(flow.kept(&cookies, id.as_str())).await {
        Some(claims) => (claims, HeaderMap::new()),
        None => flow.begin(&cookies, id.as_str()),
    };
    let opened = flow.open(&claims, visitor(&request, Some(id)), Handle::Any).await?;
    Ok((kept, Picture::of(&opened)?))
}

/// What the page calls its scene. What else it asks for, WeChat's own settings of a picture, is ours to decide.
fn scene_of(body: &[u8], is_json: bool) -> Result<ChosenId, Problem> {
    #[derive(Deserialize)]
    struct Body {
        scene: String,
    }
    let body: Option<Body> = if is_json || body.starts_with(b"{") {
        serde_json::from_slice(body).ok()
    } else {
        serde_urlencoded::from_bytes(body).ok()
    };
    chosen(&body.ok_or_else(|| Problem::bad_request("expected JSON or a form with one scene"))?.scene)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_read_from_json_and_from_a_form() {
        for (body, is_json) in [
            (&b"{\"scene\":\"scene-1700000000123\",\"width\":280}"[..], true),
            (b"{\"scene\":\"scene-1700000000123\"}", false),
            (b"scene=scene-1700000000123&page=pages%2Findex", false),
        ] {
            assert_eq!(scene_of(body, is_json).unwrap().as_str(), "scene-1700000000123");
        }
    }

    #[test]
    fn what_names_no_scene_is_told_so() {
        for (body, is_json) in [
            (&b""[..], false),
            (b"", true),
            (b"scene=", false),
            (b"scene=a&scene=b", false),
            (b"{\"scene\":7}", true),
            (b"{\"scene\":\"a b\"}", true),
            (b"\xff", false),
        ] {
            assert_eq!(scene_of(body, is_json).unwrap_err().code, "bad_request", "{body:?}");
        }
    }
}
