//! An Official Account's QR codes and users.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use scenecast_scene::OpenId;
use serde::Deserialize;
use serde_json::json;

use super::{ApiResult, caller::AccessTokenQuery, code_images};
use crate::{
    accounts::Capability,
    rules::{qr::QrRequest, refusal::ApiRefusal},
    simulator::Simulator,
    users::WeChatUser,
};

pub(super) async fn create_qr(
    State(simulator): State<Simulator>,
    Query(access): Query<AccessTokenQuery>,
    body: Bytes,
) -> ApiResult {
    let account = simulator.authorize(&access)?;
    account.settings.require(Capability::QrCodes)?;
    let request = QrRequest::parse(&body)?;
    let now = simulator.now();
    if !account.state().qr_codes_a_day.take(now) {
        return Err(ApiRefusal::DAY_QUOTA);
    }
    let life = request.life;
    let (id, ticket) = simulator.with_codes(|codes| codes.add_qr(account.name.clone(), request, now));
    let mut reply = json!({ "ticket": ticket, "url": simulator.code_url(&id) });
    if let Some(life) = life {
        reply["expire_seconds"] = life.as_secs().into();
    }
    Ok(Json(reply))
}

#[derive(Debug, Deserialize)]
pub(super) struct TicketQuery {
    #[serde(default)]
    ticket: String,
}

pub(super) async fn show_qr(
    State(simulator): State<Simulator>,
    Query(TicketQuery { ticket }): Query<TicketQuery>,
) -> Response {
    let now = simulator.now();
    match simulator.with_codes(|codes| codes.id_of(&ticket, now).map(ToOwned::to_owned)) {
        Some(id) => svg(code_images::svg(simulator.code_url(&id).as_str())),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct UserInfoQuery {
    #[serde(default)]
    openid: String,
}

pub(super) async fn user_info(
    State(simulator): State<Simulator>,
    Query(access): Query<AccessTokenQuery>,
    Query(UserInfoQuery { openid }): Query<UserInfoQuery>,
) -> ApiResult {
    let account = simulator.authorize(&access)?;
    account.settings.require(Capability::Users)?;
    let openid: OpenId = openid.parse().map_err(|_| ApiRefusal::OPENID)?;
    let relation = account.state().users.find(&openid).cloned().ok_or(ApiRefusal::OPENID)?;
    let Some(since) = relation.follows_since else {
        return Ok(Json(json!({ "subscribe": 0, "openid": openid })));
    };
    let person = &relation.person;
    // Since 2021-12-27 both are blank, except for users whose answer WeChat has kept.
    let (nickname, avatar) = if person.has_profile() {
        (person.nickname(), simulator.public_url(&format!("mmopen/{person}")).into())
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
    let Some(person) = WeChatUser::persona(&name) else {
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
    ([(header::CONTENT_TYPE, "image/svg+xml")], picture).into_response()
}
