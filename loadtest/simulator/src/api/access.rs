//! Access tokens, and the addresses from which deliveries come.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Query, State},
};
use serde_json::{Value, json};

use super::{
    ApiResult,
    caller::{AccessTokenQuery, ApiCredentials, GrantType},
};
use crate::{
    accounts::HostedAccount,
    api_calls::TokenUse,
    rules::{refusal::ApiRefusal, tokens::IssuedToken},
    simulator::Simulator,
};

type TokenResult = Result<(Extension<TokenUse>, Json<Value>), ApiRefusal>;

pub(super) async fn token(
    State(simulator): State<Simulator>,
    Query(credentials): Query<ApiCredentials>,
) -> TokenResult {
    let account = simulator.authenticate(&credentials, GrantType::ClientCredential)?;
    let issued = account.state().tokens.plain(simulator.now())?;
    Ok(token_reply(account, &issued))
}

pub(super) async fn stable_token(State(simulator): State<Simulator>, body: Bytes) -> TokenResult {
    let credentials: ApiCredentials = serde_json::from_slice(&body).map_err(|_| ApiRefusal::DATA_FORMAT)?;
    let account = simulator.authenticate(&credentials, GrantType::ClientCredential)?;
    let now = simulator.now();
    let mut state = account.state();
    let issued = if credentials.force_refresh { state.tokens.forced(now)? } else { state.tokens.stable(now)? };
    Ok(token_reply(account, &issued))
}

/// The extension tells the log which token was issued.
fn token_reply(account: &HostedAccount, issued: &IssuedToken) -> (Extension<TokenUse>, Json<Value>) {
    let token = TokenUse { account: account.name.clone(), generation: issued.generation };
    (Extension(token), Json(json!({ "access_token": issued.token, "expires_in": issued.life.as_secs() })))
}

/// Every account may call this.
pub(super) async fn callback_ips(
    State(simulator): State<Simulator>,
    Query(access): Query<AccessTokenQuery>,
) -> ApiResult {
    let account = simulator.authorize(&access)?;
    Ok(Json(json!({ "ip_list": account.settings.callback_ips })))
}
