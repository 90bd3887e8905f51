//! A page that asks for a QR code, is given WeChat's ticket of it, and polls with that until somebody has
//! logged in.
//!
//! | route | what |
//! |---|---|
//! | `GET`, `POST /createQrCode` | the ticket, and what the code says |
//! | `GET`, `POST /wxLogin?ticket=` | that nobody has scanned yet, or an id, and whether it is registered |
//! | `GET /getWxUserInfo?openId=` | what WeChat tells of whoever has that id |

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use scenecast_shared::{
    internal::{Handle, Opened},
    scene::{Grant, Login, Page},
    serve::{Problem, read_body},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Route,
    cookies::Cookies,
    flow::{Flow, chosen, cookies_of, login_in, room, visitor},
};

/// The longest body, in bytes.
const BODY_AT_MOST: usize = 4096;
/// The longest ticket, in bytes. Those seen have about a hundred.
const TICKET_AT_MOST: usize = 512;
/// What the page takes for "ask again".
const NOT_YET: u32 = 10024;

pub(super) fn router<S>(flow: Flow) -> Router<S> {
    Router::new()
        .route("/createQrCode", get(create).post(create))
        .route("/wxLogin", get(login).post(login))
        .route("/getWxUserInfo", get(user_info))
        .with_state(flow)
}

/// A problem in this page's envelope.
struct Refused(Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let envelope = envelope(problem.status.as_u16().into(), &Value::Null, &problem.detail);
        (problem.status, envelope).into_response()
    }
}

fn envelope(code: u32, data: &Value, msg: &str) -> impl IntoResponse + use<> {
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "code": code, "data": data, "msg": msg })))
}

/// What a request says, in its query or in a form.
async fn asked<T: DeserializeOwned>(request: &mut Request) -> Result<T, Problem> {
    let body = read_body(std::mem::take(request.body_mut()), BODY_AT_MOST).await?;
    let text = if body.is_empty() { request.uri().query().unwrap_or_default().as_bytes() } else { &body };
    serde_urlencoded::from_bytes(text)
        .map_err(|_| Problem::bad_request("the query or form lacks something, or has it twice"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    /// What the page calls its scene. It has no say in what finds it.
    #[serde(default)]
    scene_str: Option<String>,
}

async fn create(State(flow): State<Flow>, mut request: Request) -> Result<Response, Refused> {
    room(&request)?;
    let Create { scene_str } = asked(&mut request).await?;
    let chosen_id = scene_str.as_deref().map(chosen).transpose()?;
    let (key, claims) = flow.issue();
    let opened = flow.open(&claims, visitor(&request, chosen_id), Handle::Any).await?;
    let Opened::Qr { url, ticket, .. } = opened else {
        let detail = "this account makes no QR codes now, and others have no ticket";
        return Err(Problem::new(StatusCode::BAD_GATEWAY, "wechat_refused", detail).into());
    };
    let kept = flow.keep(&cookies_of(&request), &ticket, &key.to_string());
    let data = json!({ "ticket": ticket, "expire_seconds": Route::TicketPolling.life().as_secs(), "url": url });
    Ok((kept, envelope(200, &data, "success")).into_response())
}

#[derive(Deserialize)]
struct Poll {
    ticket: String,
}

/// Whoever scanned, told alike until the site has redeemed the grant: an answer that is lost on its way
/// to the page is there at the next poll. A ticket isn't a secret, and says nothing to another browser.
async fn login(State(flow): State<Flow>, mut request: Request) -> Result<Response, Refused> {
    room(&request)?;
    let Poll { ticket } = asked(&mut request).await?;
    if !(1..=TICKET_AT_MOST).contains(&ticket.len()) {
        return Err(Problem::bad_request("the ticket has to be 1 to 512 bytes").into());
    }
    let cookies = cookies_of(&request);
    let login = flow.login(flow.watched(&cookies, &ticket), visitor(&request, None)).await;
    Ok(match login {
        Some(login) => {
            let (state, msg) =
                if login.registered { (0, "用户已扫码,已注册") } else { (1, "用户已扫码,但未注册") };
            envelope(200, &json!({ "openId": login.grant.to_string(), "state": state }), msg).into_response()
        }
        None => envelope(NOT_YET, &Value::Null, "用户还未扫码关注").into_response(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whom {
    open_id: String,
}

/// What WeChat tells of somebody, to the browser in which they logged in; errors as WeChat's own.
async fn user_info(State(flow): State<Flow>, request: Request) -> Result<Response, Refused> {
    room(&request)?;
    let Query(Whom { open_id }) =
        Query::try_from_uri(request.uri()).map_err(|_| Problem::bad_request("the query has to name one openId"))?;
    let told = match found(&flow, &open_id, &cookies_of(&request), visitor(&request, None)).await {
        Some(Login { grant, profile, .. }) => json!({
            "subscribe": 1,
            "openid": grant.to_string(),
            "nickname": profile.name,
            "headimgurl": profile.avatar,
            "language": "zh_CN",
        }),
        None => json!({ "errcode": 40003, "errmsg": "invalid openid" }),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response())
}

/// The login whose grant the page shows as an openid, if it is this browser's.
async fn found(flow: &Flow, open_id: &str, cookies: &Cookies, page: Page) -> Option<Login> {
    let grant: Grant = open_id.parse().ok()?;
    let Some(claims) = cookies.values().filter_map(|key| flow.claims(key)).find(|own| own.scene == grant.scene())
    else {
        flow.count_foreign();
        return None;
    };
    let mailbox = flow.mailbox(&claims, page).await.ok()??;
    login_in(&mailbox).filter(|login| login.grant == grant)
}
