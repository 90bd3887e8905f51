//! `api.weixin.qq.com` and `mp.weixin.qq.com`, as far as scan-to-login calls them.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use fast_qr::{convert::svg::SvgBuilder, qr::QRBuilder};
use scenecast_shared::scene::OpenId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Person, Simulator, account::Hosted, lock, qr::Wanted, refusal::Refusal, tokens::Issued};

type Reply = Result<Json<Value>, Refusal>;

pub(super) fn router(simulator: &Simulator) -> Router<Simulator> {
    let not_get = || async { Refusal::NOT_GET };
    let not_post = || async { Refusal::NOT_POST };
    Router::new()
        .route("/cgi-bin/token", get(token).fallback(not_get))
        .route("/cgi-bin/stable_token", post(stable_token).fallback(not_post))
        .route("/cgi-bin/qrcode/create", post(create_qr).fallback(not_post))
        .route("/cgi-bin/user/info", get(user_info).fallback(not_get))
        .route("/cgi-bin/showqrcode", get(show_qr))
        .route("/mmopen/{name}", get(avatar))
        .route_layer(from_fn_with_state(simulator.clone(), with_faults))
}

/// Lets faults happen, counts, and is as picky about requests as WeChat's front is.
async fn with_faults(State(simulator): State<Simulator>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let failure = lock(&simulator.0.faults).take(&path);
    let (response, late) = match failure.map(super::Failure::answer) {
        Some(Ok(response)) => (response, None),
        // WeChat's front refuses chunked bodies.
        _ if request.method() == Method::POST && !request.headers().contains_key(header::CONTENT_LENGTH) => {
            (StatusCode::PRECONDITION_FAILED.into_response(), None)
        }
        Some(Err(late)) => (next.run(request).await, Some(late)),
        None => (next.run(request).await, None),
    };
    let result = match (failure.and_then(super::Failure::word), response.extensions().get::<Refusal>()) {
        (Some(word), _) => word.to_owned(),
        (None, Some(refusal)) => refusal.0.to_string(),
        (None, None) if response.status() == StatusCode::OK => "ok".to_owned(),
        (None, None) => response.status().as_u16().to_string(),
    };
    simulator.count(&path, result);
    if let Some(late) = late {
        tokio::time::sleep(late).await;
    }
    response
}

#[derive(Debug, Deserialize)]
struct Credentials {
    grant_type: Option<String>,
    appid: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    force_refresh: bool,
}

async fn token(State(simulator): State<Simulator>, Query(credentials): Query<Credentials>) -> Reply {
    let account = simulator.authenticate(&credentials)?;
    let issued = account.state().tokens.plain(simulator.now())?;
    Ok(token_reply(&issued))
}

async fn stable_token(State(simulator): State<Simulator>, body: Bytes) -> Reply {
    let credentials: Credentials = serde_json::from_slice(&body).map_err(|_| Refusal::DATA_FORMAT)?;
    let account = simulator.authenticate(&credentials)?;
    let (mut state, now) = (account.state(), simulator.now());
    let issued = if credentials.force_refresh { state.tokens.forced(now)? } else { state.tokens.stable(now)? };
    Ok(token_reply(&issued))
}

fn token_reply(issued: &Issued) -> Json<Value> {
    Json(json!({ "access_token": issued.token, "expires_in": issued.life.as_secs() }))
}

#[derive(Debug, Deserialize)]
struct Access {
    access_token: Option<String>,
    openid: Option<String>,
}

async fn create_qr(State(simulator): State<Simulator>, Query(access): Query<Access>, body: Bytes) -> Reply {
    let account = simulator.authorize(&access)?;
    let wanted = Wanted::parse(&body)?;
    let now = simulator.now();
    if !account.state().qr_codes_a_day.take(now) {
        return Err(Refusal::DAY_QUOTA);
    }
    let life = wanted.life;
    let (id, code) = lock(&simulator.0.codes).make(account.name.clone(), wanted, now);
    let mut reply = json!({ "ticket": code.ticket, "url": simulator.qr_url(&id) });
    if let Some(life) = life {
        reply["expire_seconds"] = life.as_secs().into();
    }
    Ok(Json(reply))
}

#[derive(Debug, Deserialize)]
struct Ticket {
    #[serde(default)]
    ticket: String,
}

async fn show_qr(State(simulator): State<Simulator>, Query(Ticket { ticket }): Query<Ticket>) -> Response {
    let Some(id) = lock(&simulator.0.codes).id_of(&ticket, simulator.now()).map(ToOwned::to_owned) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let code = QRBuilder::new(simulator.qr_url(&id).as_str()).build().expect("an address fits into a QR code");
    svg(SvgBuilder::default().to_str(&code))
}

async fn user_info(State(simulator): State<Simulator>, Query(access): Query<Access>) -> Reply {
    let account = simulator.authorize(&access)?;
    let openid: OpenId = access.openid.unwrap_or_default().parse().map_err(|_| Refusal::OPENID)?;
    let relation = account.state().people.find(&openid).cloned().ok_or(Refusal::OPENID)?;
    let Some(since) = relation.follows_since else {
        return Ok(Json(json!({ "subscribe": 0, "openid": openid })));
    };
    let person = &relation.person;
    // Blank since 2021-12-27, but for those whose answer WeChat has kept.
    let (nickname, avatar) = if person.has_profile() {
        (person.nickname(), simulator.avatar_url(person))
    } else {
        (String::new(), String::new())
    };
    let mut reply = json!({
        "subscribe": 1, "openid": openid, "nickname": nickname, "sex": 0, "language": "zh_CN",
        "city": "", "province": "", "country": "", "headimgurl": avatar, "subscribe_time": since,
        "remark": "", "groupid": 0, "tagid_list": [], "subscribe_scene": "ADD_SCENE_QR_CODE",
        "qr_scene": 0, "qr_scene_str": relation.scene,
    });
    if account.settings.unionid {
        reply["unionid"] = person.unionid().into();
    }
    Ok(Json(reply))
}

async fn avatar(Path(name): Path<String>) -> Response {
    let Some(person) = Person::persona(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let initial: String = person.nickname().chars().take(1).collect();
    svg(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\"><rect width=\"64\" height=\"64\" \
         fill=\"#576b95\"/><text x=\"32\" y=\"44\" font-family=\"sans-serif\" font-size=\"34\" fill=\"#fff\" \
         text-anchor=\"middle\">{initial}</text></svg>"
    ))
}

fn svg(picture: String) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("image/svg+xml"));
    (headers, picture).into_response()
}

impl Simulator {
    fn authenticate(&self, credentials: &Credentials) -> Result<&Hosted, Refusal> {
        if credentials.grant_type.as_deref() != Some("client_credential") {
            return Err(Refusal::GRANT_TYPE);
        }
        let app_id = credentials.appid.as_deref().filter(|id| !id.is_empty()).ok_or(Refusal::NO_APP_ID)?;
        let given = credentials.secret.as_deref().filter(|secret| !secret.is_empty()).ok_or(Refusal::NO_SECRET)?;
        let account = self.0.accounts.values().find(|account| account.settings.app_id == app_id);
        let account = account.ok_or(Refusal::APP_ID)?;
        match account.settings.secret.text() {
            secret if secret == given => Ok(account),
            secret if secret.len() == given.len() => Err(Refusal::CREDENTIAL),
            _ => Err(Refusal::SECRET),
        }
    }

    fn authorize(&self, access: &Access) -> Result<&Hosted, Refusal> {
        let token = access.access_token.as_deref().filter(|token| !token.is_empty()).ok_or(Refusal::NO_TOKEN)?;
        let now = self.now();
        for account in self.0.accounts.values() {
            if let Some(checked) = account.state().tokens.check(token, now) {
                return checked.map(|()| &**account);
            }
        }
        Err(Refusal::CREDENTIAL)
    }

    fn avatar_url(&self, person: &Person) -> String {
        self.0.public_url.join(&format!("mmopen/{person}")).expect("a persona's name is a path").into()
    }
}
