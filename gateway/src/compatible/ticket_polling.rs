//! A page that asks for a QR code, gets WeChat's ticket of it, and polls with the ticket until somebody has logged
//! in.
//!
//! | route | what |
//! |---|---|
//! | `GET`, `POST /createQrCode` | the ticket, and the address in the code |
//! | `GET`, `POST /wxLogin?ticket=` | `10024` until somebody has scanned; then an id, and whether the person is registered |
//! | `GET /getWxUserInfo?openId=` | the profile of the person with that id |

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use scenecast_scene::{
    Grant, Login,
    internal::{Handle, OpenedHandle},
};
use scenecast_service::http::{Problem, read_body};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    cookies::Cookies,
    route_context::{RouteContext, check_admitted, cookies_of, login_in, parse_chosen_id, visitor_with_id},
};
use crate::{config::CompatibleKind, scenes::Visitor};

/// The longest request body, in bytes.
const MAX_BODY_BYTES: usize = 4096;
/// The longest ticket, in bytes. WeChat's have about a hundred.
const MAX_TICKET_BYTES: usize = 512;
/// The code that has the page poll again.
const NOT_SCANNED: u32 = 10024;

pub(super) fn router<S>(context: RouteContext) -> Router<S> {
    Router::new()
        .route("/createQrCode", get(create).post(create))
        .route("/wxLogin", get(login).post(login))
        .route("/getWxUserInfo", get(user_info))
        .with_state(context)
}

/// A problem in the envelope of these pages.
struct EnvelopeProblem(Problem);

impl<P: Into<Problem>> From<P> for EnvelopeProblem {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for EnvelopeProblem {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let envelope = envelope(problem.status.as_u16().into(), &Value::Null, &problem.detail);
        (problem.status, envelope).into_response()
    }
}

fn envelope(code: u32, data: &Value, msg: &str) -> impl IntoResponse + use<> {
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "code": code, "data": data, "msg": msg })))
}

/// The parameters of a request, in its query or in a form.
async fn parameters<T: DeserializeOwned>(request: &mut Request) -> Result<T, Problem> {
    let body = read_body(std::mem::take(request.body_mut()), MAX_BODY_BYTES).await?;
    let text = if body.is_empty() { request.uri().query().unwrap_or_default().as_bytes() } else { &body };
    serde_urlencoded::from_bytes(text)
        .map_err(|_| Problem::bad_request("the query or form lacks a parameter, or has it twice"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateParameters {
    /// The id that the page chose. It is not how the phone finds the scene.
    #[serde(default)]
    scene_str: Option<String>,
}

async fn create(State(context): State<RouteContext>, mut request: Request) -> Result<Response, EnvelopeProblem> {
    check_admitted(&request)?;
    let CreateParameters { scene_str } = parameters(&mut request).await?;
    let chosen_id = scene_str.as_deref().map(parse_chosen_id).transpose()?;
    let cookies = cookies_of(&request);
    // The ticket isn't known before the scene is open, and is never that of a cookie which the browser has.
    let room = context.cookie_room(&cookies, "").await?;
    let (key, claims) = context.issue_key();
    let code = context.open(&claims, visitor_with_id(&request, chosen_id), Handle::Any).await?;
    let OpenedHandle::Qr { url, ticket, .. } = code else {
        let detail = "this account makes no QR codes now, and other codes have no ticket";
        return Err(Problem::new(StatusCode::BAD_GATEWAY, "wechat_refused", detail).into());
    };
    let set_cookie = context.set_cookie(&cookies, &room, &ticket, &key.to_string());
    let data =
        json!({ "ticket": ticket, "expire_seconds": CompatibleKind::TicketPolling.scene_life().as_secs(), "url": url });
    Ok((set_cookie, envelope(200, &data, "success")).into_response())
}

#[derive(Deserialize)]
struct PollParameters {
    ticket: String,
}

/// The login. Each poll gets it until the site has redeemed the grant, so that no answer is lost on its way to the
/// page. The ticket isn't a secret; another browser gets nothing by it.
async fn login(State(context): State<RouteContext>, mut request: Request) -> Result<Response, EnvelopeProblem> {
    check_admitted(&request)?;
    let PollParameters { ticket } = parameters(&mut request).await?;
    if !(1..=MAX_TICKET_BYTES).contains(&ticket.len()) {
        return Err(Problem::bad_request("the ticket has to be 1 to 512 bytes").into());
    }
    let cookies = cookies_of(&request);
    let login = context.login(context.watcher_cookie(&cookies, &ticket), visitor_with_id(&request, None)).await;
    Ok(match login {
        Some(login) => {
            let (state, msg) =
                if login.registered { (0, "用户已扫码,已注册") } else { (1, "用户已扫码,但未注册") };
            envelope(200, &json!({ "openId": login.grant.to_string(), "state": state }), msg).into_response()
        }
        None => envelope(NOT_SCANNED, &Value::Null, "用户还未扫码关注").into_response(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserParameters {
    open_id: String,
}

/// The profile of a person, for the browser in which they logged in. Errors look like those of WeChat.
async fn user_info(State(context): State<RouteContext>, request: Request) -> Result<Response, EnvelopeProblem> {
    check_admitted(&request)?;
    let Query(UserParameters { open_id }) =
        Query::try_from_uri(request.uri()).map_err(|_| Problem::bad_request("the query has to name one openId"))?;
    let answer = match login_of_grant(&context, &open_id, &cookies_of(&request), visitor_with_id(&request, None)).await
    {
        Some(Login { grant, profile, .. }) => json!({
            "subscribe": 1,
            "openid": grant.to_string(),
            "nickname": profile.name,
            "headimgurl": profile.avatar,
            "language": "zh_CN",
        }),
        None => json!({ "errcode": 40003, "errmsg": "invalid openid" }),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// The login whose grant the page has in place of an openid, if it is this browser's.
async fn login_of_grant(context: &RouteContext, open_id: &str, cookies: &Cookies, visitor: Visitor) -> Option<Login> {
    let grant: Grant = open_id.parse().ok()?;
    let Some(claims) = cookies.values().filter_map(|key| context.claims(key)).find(|own| own.scene == grant.scene())
    else {
        context.count_foreign();
        return None;
    };
    let mailbox = context.mailbox(&claims, visitor).await.ok()??;
    login_in(&mailbox).filter(|login| login.grant == grant)
}
