//! An Official Account's QR codes and users.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use scenecast_shared::scene::OpenId;
use serde::Deserialize;
use serde_json::json;

use super::{Reply, caller::Access};
use crate::simulator::{
    Person, Simulator, lock, picture,
    rules::{qr::WantedQr, refusal::Refusal},
    settings::Ability,
};

pub(super) async fn create_qr(State(simulator): State<Simulator>, Query(access): Query<Access>, body: Bytes) -> Reply {
    let account = simulator.authorize(&access)?;
    account.settings.require(Ability::QrCodes)?;
    let wanted = WantedQr::parse(&body)?;
    let now = simulator.now();
    if !account.state().qr_codes_a_day.take(now) {
        return Err(Refusal::DAY_QUOTA);
    }
    let life = wanted.life;
    let (id, ticket) = lock(&simulator.0.codes).make_qr(account.name.clone(), wanted, now);
    let mut reply = json!({ "ticket": ticket, "url": simulator.code_url(&id) });
    if let Some(life) = life {
        reply["expire_seconds"] = life.as_secs().into();
    }
    Ok(Json(reply))
}

#[derive(Debug, Deserialize)]
pub(super) struct Ticket {
    #[serde(default)]
    ticket: String,
}

pub(super) async fn show_qr(State(simulator): State<Simulator>, Query(Ticket { ticket }): Query<Ticket>) -> Response {
    let Some(id) = lock(&simulator.0.codes).id_of(&ticket, simulator.now()).map(ToOwned::to_owned) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    svg(picture::svg(simulator.code_url(&id).as_str()))
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    #[serde(default)]
    openid: String,
}

pub(super) async fn user_info(
    State(simulator): State<Simulator>,
    Query(access): Query<Access>,
    Query(User { openid }): Query<User>,
) -> Reply {
    let account = simulator.authorize(&access)?;
    account.settings.require(Ability::Users)?;
    let openid: OpenId = openid.parse().map_err(|_| Refusal::OPENID)?;
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

pub(super) async fn avatar(Path(name): Path<String>) -> Response {
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
    fn avatar_url(&self, person: &Person) -> String {
        self.0.public_url.join(&format!("mmopen/{person}")).expect("a persona's name is a path").into()
    }
}
