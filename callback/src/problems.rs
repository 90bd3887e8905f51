//! Turns the errors of Redis, and the reasons for which no scene is opened, into what HTTP clients are told. The log
//! lines of such errors are here too, and nowhere else.

use std::time::Duration;

use axum::http::StatusCode;
use scenecast_bus::{BusError, StoreError};
use scenecast_scene::{AccountName, SceneId, internal::OpenRefusal};
use scenecast_service::http::Problem;

use crate::retry::RetryError;

/// When a client may come back after Redis gave no answer.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The problem of a bus error about this scene.
pub(crate) fn from_bus(scene: SceneId, error: &BusError) -> Problem {
    match error {
        BusError::Undecided(_) | BusError::TimedOut => bus_unavailable(scene, error),
        BusError::Malformed { .. } => {
            tracing::error!(
                %scene, %error,
                "a scene in Redis has a form that this version can't read; does other software write wx:*, or is a newer \
                 version running?"
            );
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "scene_malformed", "this scene can't be read")
        }
    }
}

/// The problem of a scene that could not be settled by the deadline.
pub(crate) fn from_bus_retry(scene: SceneId, error: RetryError<BusError>) -> Problem {
    match error {
        RetryError::Deadline { .. } => bus_unavailable(scene, &error),
        RetryError::Failed(error) => from_bus(scene, &error),
    }
}

/// The problem of a store error about a value of this account.
pub(crate) fn from_store(account: &AccountName, error: &StoreError) -> Problem {
    match error {
        StoreError::Undecided(_) | StoreError::Contended => store_unavailable(account, error),
        StoreError::Malformed { .. } => {
            tracing::error!(
                %account, %error,
                "a value in Redis has a form that this version can't read; does other software write the callback's keys, \
                 or is a newer version running?"
            );
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "store_malformed", "what is stored can't be read")
        }
    }
}

/// The problem of a store that gave no answer by the deadline.
pub(crate) fn from_store_retry(account: &AccountName, error: RetryError<StoreError>) -> Problem {
    match error {
        RetryError::Deadline { .. } => store_unavailable(account, &error),
        RetryError::Failed(error) => from_store(account, &error),
    }
}

/// What a gateway, a site or a phone is told for this reason.
pub(crate) fn from_refusal(refusal: OpenRefusal) -> Problem {
    let status = match refusal {
        OpenRefusal::AccountUnknown => StatusCode::NOT_FOUND,
        OpenRefusal::NotGranted => StatusCode::BAD_GATEWAY,
        OpenRefusal::Quota | OpenRefusal::WechatUnavailable | OpenRefusal::BusUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    Problem { retry_after: refusal.retry_after(), ..Problem::new(status, refusal.code(), refusal.detail()) }
}

fn bus_unavailable(scene: SceneId, error: &dyn std::error::Error) -> Problem {
    tracing::warn!(%scene, %error, "no result from Redis about a scene; the client is told to come back in 2 s");
    Problem::unavailable("bus_unavailable", "scenes can't be reached right now", RETRY_AFTER)
}

fn store_unavailable(account: &AccountName, error: &dyn std::error::Error) -> Problem {
    tracing::warn!(%account, %error, "no result from Redis about a stored value; the client is told to come back in 2 s");
    Problem::unavailable("store_unavailable", "what is stored can't be reached right now", RETRY_AFTER)
}
