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
    ApiResult,
    caller::{AccessTokenQuery, ApiCredentials, GrantType},
    code_images,
};
use crate::{
    accounts::Capability,
    rules::{page_code::PageCodeRequest, refusal::ApiRefusal},
    simulator::Simulator,
};

/// Answers a picture or an error. Only the content type and the first byte tell them apart.
pub(super) async fn page_code(
    State(simulator): State<Simulator>,
    Query(access): Query<AccessTokenQuery>,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let account = simulator.authorize(&access)?;
    account.settings.require(Capability::Pages)?;
    let request = PageCodeRequest::parse(&body, &account.settings.pages)?;
    if !account.state().page_codes_a_minute.take(simulator.now()) {
        return Err(ApiRefusal::MINUTE_QUOTA);
    }
    let width = request.width;
    let transparent = request.transparent;
    let id = simulator.with_codes(|codes| codes.add_page(account.name.clone(), request));
    let (content_type, picture) = code_images::pixels(simulator.code_url(&id).as_str(), width, transparent);
    Ok(([(CONTENT_TYPE, content_type)], picture).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct SessionQuery {
    #[serde(default)]
    js_code: String,
}

pub(super) async fn session(
    State(simulator): State<Simulator>,
    Query(credentials): Query<ApiCredentials>,
    Query(SessionQuery { js_code }): Query<SessionQuery>,
) -> ApiResult {
    let account = simulator.authenticate(&credentials, GrantType::AuthorizationCode)?;
    account.settings.require(Capability::Pages)?;
    if js_code.is_empty() {
        return Err(ApiRefusal::NO_JS_CODE);
    }
    let person = account.state().login_codes.take(&js_code, simulator.now())?;
    let mut reply = json!({
        "session_key": STANDARD.encode(rand::random::<[u8; 16]>()),
        "openid": person.openid(&account.settings.app_id),
    });
    if account.settings.unionid {
        reply["unionid"] = person.unionid().into();
    }
    Ok(Json(reply))
}

/// `jscode2session` labels its JSON as plain text, also for errors.
pub(super) async fn as_plain_text(mut response: Response) -> Response {
    if response.headers().contains_key(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().expect("a valid value"));
    }
    response
}
