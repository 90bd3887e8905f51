//! Asks Redis again until a deadline, while it is undecided whether a change happened. That is harmless: each change
//! has a delivery id, or gives the same result when it is made twice.
//!
//! See docs/decisions/002-answer-wechat-after-the-login-is-stored.md.

use std::{error::Error, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use parking_lot::Mutex;
use scenecast_bus::{BusError, Replacement, SceneWriter, SettledAlong, StoreError};
use scenecast_scene::{Cause, SceneId, SceneSnapshot, Settled, Transition};
use tokio::time::{Instant, timeout_at};

/// Why Redis gave no result by the deadline.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetryError<E: Error + 'static> {
    /// The deadline came first. Whether a change happened is undecided.
    #[error("Redis carried out nothing before the deadline{}", last_error(.last.as_ref()))]
    Deadline {
        /// The error of the last attempt, if one had failed by then.
        #[source]
        last: Option<E>,
    },
    /// An error that another attempt doesn't change.
    #[error(transparent)]
    Failed(E),
}

fn last_error<E: Error>(last: Option<&E>) -> String {
    last.map(|error| format!("; the last attempt: {error}")).unwrap_or_default()
}

pub(crate) async fn settle(
    bus: &SceneWriter,
    scene: SceneId,
    cause: &Cause,
    transition: &Transition,
    deadline: Instant,
) -> Result<Settled, RetryError<BusError>> {
    retry_until(deadline, || bus.settle(scene, cause, transition), BusError::is_undecided).await
}

/// [`SceneWriter::settle_along`] by the deadline.
pub(crate) async fn settle_along(
    bus: &SceneWriter,
    scene: SceneId,
    cause: &Cause,
    transition: &Transition,
    along: &Replacement,
    deadline: Instant,
) -> Result<SettledAlong, RetryError<BusError>> {
    retry_until(deadline, || bus.settle_along(scene, cause, transition, Some(along)), BusError::is_undecided).await
}

pub(crate) async fn snapshot(
    bus: &SceneWriter,
    scene: SceneId,
    deadline: Instant,
) -> Result<Option<SceneSnapshot>, RetryError<BusError>> {
    retry_until(deadline, || bus.snapshot(scene), BusError::is_undecided).await
}

pub(crate) async fn ask_store<T, F: Future<Output = Result<T, StoreError>>>(
    deadline: Instant,
    ask: impl FnMut() -> F,
) -> Result<T, RetryError<StoreError>> {
    retry_until(deadline, ask, StoreError::is_undecided).await
}

async fn retry_until<T, E: Error + Clone + 'static, F: Future<Output = Result<T, E>>>(
    deadline: Instant,
    ask: impl FnMut() -> F,
    is_undecided: impl FnMut(&E) -> bool,
) -> Result<T, RetryError<E>> {
    let last = Mutex::new(None);
    let keep_error = |error: &E, _pause| *last.lock() = Some(error.clone());
    // Boxed, because otherwise the future of each delivery would hold this one's memory several times.
    let asking = Box::pin(ask.retry(backoff()).when(is_undecided).notify(keep_error).into_future());
    match timeout_at(deadline, asking).await {
        Ok(answer) => answer.map_err(RetryError::Failed),
        Err(_) => Err(RetryError::Deadline { last: last.into_inner() }),
    }
}

/// The pauses between attempts. The deadline ends them.
fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(300))
        .without_max_times()
        .with_jitter()
}
