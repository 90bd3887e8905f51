//! Access tokens.

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State},
};
use serde_json::{Value, json};

use super::{Reply, caller::Credentials};
use crate::simulator::{
    Simulator,
    rules::{refusal::Refusal, tokens::Issued},
};

pub(super) async fn token(State(simulator): State<Simulator>, Query(credentials): Query<Credentials>) -> Reply {
    let account = simulator.authenticate(&credentials)?;
    let issued = account.state().tokens.plain(simulator.now())?;
    Ok(token_reply(&issued))
}

pub(super) async fn stable_token(State(simulator): State<Simulator>, body: Bytes) -> Reply {
    let credentials: Credentials = serde_json::from_slice(&body).map_err(|_| Refusal::DATA_FORMAT)?;
    let account = simulator.authenticate(&credentials)?;
    let (mut state, now) = (account.state(), simulator.now());
    let issued = if credentials.force_refresh { state.tokens.forced(now)? } else { state.tokens.stable(now)? };
    Ok(token_reply(&issued))
}

fn token_reply(issued: &Issued) -> Json<Value> {
    Json(json!({ "access_token": issued.token, "expires_in": issued.life.as_secs() }))
}
