//! A mini program's codes and logins.

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;

use super::{
    Reply,
    caller::{Access, Credentials, Grant},
};
use crate::simulator::{
    Simulator, lock, picture,
    rules::{page_code::WantedPage, refusal::Refusal},
    settings::Ability,
};

/// A picture; or an error, which only its content type and first byte tell from one.
pub(super) async fn page_code(
    State(simulator): State<Simulator>,
    Query(access): Query<Access>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let account = simulator.authorize(&access)?;
    account.settings.require(Ability::Pages)?;
    let wanted = WantedPage::parse(&body, &account.settings.pages)?;
    if !account.state().page_codes_a_minute.take(simulator.now()) {
        return Err(Refusal::MINUTE_QUOTA);
    }
    let (width, transparent) = (wanted.width, wanted.transparent);
    let id = lock(&simulator.0.codes).make_page(account.name.clone(), wanted);
    let (content_type, picture) = picture::pixels(simulator.code_url(&id).as_str(), width, transparent);
    Ok(([(CONTENT_TYPE, content_type)], picture).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct JsCode {
    #[serde(default)]
    js_code: String,
}

pub(super) async fn session(
    State(simulator): State<Simulator>,
    Query(credentials): Query<Credentials>,
    Query(JsCode { js_code }): Query<JsCode>,
) -> Reply {
    let account = simulator.authenticate(&credentials, Grant::JsCode)?;
    account.settings.require(Ability::Pages)?;
    if js_code.is_empty() {
        return Err(Refusal::NO_JS_CODE);
    }
    let person = account.state().js_codes.take(&js_code, simulator.now())?;
    let mut reply = json!({
        "session_key": STANDARD.encode(rand::random::<[u8; 16]>()),
        "openid": person.openid(&account.settings.app_id),
    });
    if account.settings.unionid {
        reply["unionid"] = person.unionid().into();
    }
    Ok(Json(reply))
}

/// `jscode2session` calls its JSON plain text, whether or not it is an error.
pub(super) async fn as_plain_text(mut response: Response) -> Response {
    if response.headers().contains_key(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().expect("a valid value"));
    }
    response
}
