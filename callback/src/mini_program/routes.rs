//! The routes of mini programs.

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::post,
};
use scenecast_service::admission::{Admission, admit_clients, reject_overloaded};

use super::{
    confirm::confirm,
    scan::scan,
    state::{CONFIRM_PATH, MiniProgramState, SCAN_PATH},
};

pub(crate) fn router(state: MiniProgramState, admission: &Admission) -> Router {
    Router::new()
        .route(SCAN_PATH, post(scan))
        .route(CONFIRM_PATH, post(confirm))
        .layer(from_fn(reject_overloaded))
        .layer(from_fn_with_state(admission.clone(), admit_clients))
        .with_state(Arc::new(state))
}
