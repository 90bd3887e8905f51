//! A page that chooses an id. It gets a mini-program code for the id in a JSON envelope, and connects to a
//! WebSocket with the id in the query. When somebody logs in, the socket sends who it is, as JSON.
//!
//! | route | what |
//! |---|---|
//! | `/websocket?clientid=` | the socket |
//! | `POST /miniapp/getwxacodeunlimit` | the code, as a `data:` URL |

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use scenecast_scene::{ChosenId, Login, internal::Handle};
use scenecast_service::http::{Problem, read_body};
use serde::Deserialize;
use serde_json::json;

use super::{
    cookie_wait,
    push_socket::accept,
    route_context::{RouteContext, check_admitted, cookies_of, parse_chosen_id, visitor_with_id},
    scene_image::SceneImage,
};

/// The longest request body, in bytes.
const MAX_BODY_BYTES: usize = 4096;

pub(super) fn router<S>(context: RouteContext) -> Router<S> {
    Router::new().route("/websocket", get(connect)).route("/miniapp/getwxacodeunlimit", post(code)).with_state(context)
}

#[derive(Deserialize)]
struct ClientIdQuery {
    clientid: String,
}

async fn connect(State(context): State<RouteContext>, request: Request) -> Result<Response, Problem> {
    let Query(query) = Query::<ClientIdQuery>::try_from_uri(request.uri())
        .map_err(|_| Problem::bad_request("the query has to name one clientid"))?;
    accept(context, request, parse_chosen_id(&query.clientid)?, login_text).await
}

/// Who logged in. The grant is in place of the openid, which only the site's backend may get.
fn login_text(login: &Login) -> String {
    let grant = login.grant.to_string();
    let profile = &login.profile;
    json!({ "openid": grant, "nickname": profile.name, "avatar": profile.avatar, "grant": grant }).to_string()
}

/// The code. Its page looks at the envelope and not at the status.
async fn code(State(context): State<RouteContext>, request: Request) -> Response {
    answer_with_code(&context, request)
        .await
        .unwrap_or_else(|problem| Json(json!({ "code": 400, "data": "", "msg": problem.detail })).into_response())
}

/// The code, or a redirect while it waits for the cookie of its page's socket.
async fn answer_with_code(context: &RouteContext, mut request: Request) -> Result<Response, Problem> {
    check_admitted(&request)?;
    let body = read_body(std::mem::take(request.body_mut()), MAX_BODY_BYTES).await?;
    let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    let id = chosen_id_in(&body, is_json)?;
    let cookies = cookies_of(&request);
    let (claims, set_cookie) = match context.usable_scene(context.cookie(&cookies, id.as_str())).await {
        Some(claims) => (claims, HeaderMap::new()),
        None => match cookie_wait::wait(request.uri()).await {
            Some(again) => return Ok(again),
            None => context.new_scene(&cookies, id.as_str()).await?,
        },
    };
    let code = context.open(&claims, visitor_with_id(&request, Some(id)), Handle::Any).await?;
    let image = SceneImage::of_code(&claims, &code)?.data_url();
    Ok((set_cookie, Json(json!({ "code": 200, "data": image, "msg": "ok" }))).into_response())
}

/// The id in a body, which is JSON or a form. Its other fields, WeChat's settings for an image, are ignored.
fn chosen_id_in(body: &[u8], is_json: bool) -> Result<ChosenId, Problem> {
    #[derive(Deserialize)]
    struct CodeRequest {
        scene: String,
    }
    let body: Option<CodeRequest> = if is_json || body.starts_with(b"{") {
        serde_json::from_slice(body).ok()
    } else {
        serde_urlencoded::from_bytes(body).ok()
    };
    parse_chosen_id(&body.ok_or_else(|| Problem::bad_request("expected JSON or a form with one scene"))?.scene)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_json_and_from_a_form() {
        for (body, is_json) in [
            (&b"{\"scene\":\"scene-1700000000123\",\"width\":280}"[..], true),
            (b"{\"scene\":\"scene-1700000000123\"}", false),
            (b"scene=scene-1700000000123&page=pages%2Findex", false),
        ] {
            assert_eq!(chosen_id_in(body, is_json).unwrap().as_str(), "scene-1700000000123");
        }
    }

    #[test]
    fn a_body_without_a_valid_id_is_refused() {
        for (body, is_json) in [
            (&b""[..], false),
            (b"", true),
            (b"scene=", false),
            (b"scene=a&scene=b", false),
            (b"{\"scene\":7}", true),
            (b"{\"scene\":\"a b\"}", true),
            (b"\xff", false),
        ] {
            assert_eq!(chosen_id_in(body, is_json).unwrap_err().code, "bad_request", "{body:?}");
        }
    }
}
