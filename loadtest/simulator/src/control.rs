//! Control routes over HTTP, for drills and for people. WeChat has nothing like them.
//!
//! | call | what it does |
//! |---|---|
//! | `GET /sim/faults` | answers the current faults |
//! | `PUT /sim/faults` | replaces all faults; a fault that is left out is switched off |
//! | `DELETE /sim/tokens` | expires every access token |
//! | `GET /sim/calls` | answers how often each API path was called, by result |
//! | `GET /sim/call-log` | answers the newest API calls one by one |
//! | `PUT /sim/accounts/{account}/aes-key` | changes the key that messages are encrypted with |

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, get, put},
};
use scenecast_scene::AccountName;

use crate::{
    api_calls::{ApiCallCounts, LoggedCall},
    encryption::EncodingAesKey,
    faults::Faults,
    simulator::Simulator,
};

pub(crate) fn router() -> Router<Simulator> {
    Router::new()
        .route("/sim/faults", get(faults).put(set_faults))
        .route("/sim/tokens", delete(expire_tokens))
        .route("/sim/calls", get(calls))
        .route("/sim/call-log", get(call_log))
        .route("/sim/accounts/{account}/aes-key", put(rotate_aes_key))
}

async fn faults(State(simulator): State<Simulator>) -> Json<Faults> {
    Json(simulator.faults())
}

async fn set_faults(State(simulator): State<Simulator>, Json(faults): Json<Faults>) -> StatusCode {
    simulator.set_faults(faults);
    StatusCode::NO_CONTENT
}

async fn expire_tokens(State(simulator): State<Simulator>) -> StatusCode {
    simulator.expire_tokens();
    StatusCode::NO_CONTENT
}

async fn calls(State(simulator): State<Simulator>) -> Json<BTreeMap<String, ApiCallCounts>> {
    Json(simulator.all_calls())
}

async fn call_log(State(simulator): State<Simulator>) -> Json<Vec<LoggedCall>> {
    Json(simulator.call_log())
}

async fn rotate_aes_key(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    Json(key): Json<EncodingAesKey>,
) -> StatusCode {
    match simulator.rotate_aes_key(&account, key) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::NOT_FOUND,
    }
}
