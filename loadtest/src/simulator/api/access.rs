//! Access tokens, and where webhooks come from.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Query, State},
};
use serde_json::{Value, json};

use super::{
    Reply,
    caller::{Access, Credentials, Grant},
};
use crate::simulator::{
    Simulator, TokenUse,
    account::Hosted,
    rules::{refusal::Refusal, tokens::Issued},
};

type TokenReply = Result<(Extension<TokenUse>, Json<Value>), Refusal>;

pub(super) async fn token(State(simulator): State<Simulator>, Query(credentials): Query<Credentials>) -> TokenReply {
    let account = simulator.authenticate(&credentials, Grant::Token)?;
    let issued = account.state().tokens.plain(simulator.now())?;
    Ok(token_reply(account, &issued))
}

pub(super) async fn stable_token(State(simulator): State<Simulator>, body: Bytes) -> TokenReply {
    let credentials: Credentials = serde_json::from_slice(&body).map_err(|_| Refusal::DATA_FORMAT)?;
    let account = simulator.authenticate(&credentials, Grant::Token)?;
    let (mut state, now) = (account.state(), simulator.now());
    let issued = if credentials.force_refresh { state.tokens.forced(now)? } else { state.tokens.stable(now)? };
    Ok(token_reply(account, &issued))
}

/// The log gets to know which token it was.
fn token_reply(account: &Hosted, issued: &Issued) -> (Extension<TokenUse>, Json<Value>) {
    let token = TokenUse { account: account.name.clone(), generation: issued.generation };
    (Extension(token), Json(json!({ "access_token": issued.token, "expires_in": issued.life.as_secs() })))
}

/// Any account may ask.
pub(super) async fn callback_ips(State(simulator): State<Simulator>, Query(access): Query<Access>) -> Reply {
    let account = simulator.authorize(&access)?;
    Ok(Json(json!({ "ip_list": account.settings.callback_ips })))
}
