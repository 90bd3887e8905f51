//! The switches by HTTP, for drills and for people: nothing here is WeChat's.
//!
//! | call | what |
//! |---|---|
//! | `GET /sim/faults` | what goes wrong now |
//! | `PUT /sim/faults` | what is to go wrong from now on; what is left out goes well |
//! | `DELETE /sim/tokens` | ends every access token |
//! | `GET /sim/calls` | how often each path was called, by result |
//! | `GET /sim/call-log` | the newest calls one by one |
//! | `PUT /sim/accounts/{account}/aes-key` | changes what messages are sealed with |

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, get, put},
};
use scenecast_shared::scene::AccountName;

use super::{AesKey, Call, Calls, Faults, Simulator, lock};

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

async fn calls(State(simulator): State<Simulator>) -> Json<BTreeMap<String, Calls>> {
    Json(lock(&simulator.0.calls).counts().clone())
}

async fn call_log(State(simulator): State<Simulator>) -> Json<Vec<Call>> {
    Json(simulator.call_log())
}

async fn rotate_aes_key(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    Json(key): Json<AesKey>,
) -> StatusCode {
    match simulator.rotate_aes_key(&account, key) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::NOT_FOUND,
    }
}
