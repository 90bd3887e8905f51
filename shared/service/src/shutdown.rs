//! The shutdown of a process, step by step.
//!
//! ```text
//! phase       starts                             what happens in it
//! ─────────   ────────────────────────────────   ─────────────────────────────────────────────────────────────
//! serving     at start                           all is served; /readyz says ready
//! not ready   on SIGTERM, by shut_down()         /readyz says draining; Kubernetes notices and sends no new
//!    │                                           connections; all is served still
//!    │ after `drain.notice`
//! closing     closing() completes                listeners accept no more; connections are closed, spread over
//!    │                                           `drain.window`
//!    │ after `drain.window`, and after every DrainHold is dropped, and 2 s more
//! ended       drain_ended() completes            connections that are left are dropped
//!    │ after 3 s
//! exit        shut_down() completes
//! ```
//!
//! From `closing` on, `shut_down` completes as soon as no spawned work is left.

use std::time::Duration;

use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{config::types::DrainConfig, signals::Signals};

/// How long the connections that are closed at the end of the window have to finish their close.
const LAST_CLOSE_TIME: Duration = Duration::from_secs(2);
/// How long tasks have to end after the drain has ended.
const LAST_TASK_TIME: Duration = Duration::from_secs(3);

/// Tells the parts of a process about its shutdown, and waits for their work. Clones share their state.
#[derive(Debug, Clone)]
pub struct Shutdown {
    drain: DrainConfig,
    not_ready: CancellationToken,
    closing: CancellationToken,
    ended: CancellationToken,
    work: TaskTracker,
    holds: TaskTracker,
}

/// Prolongs the drain beyond its window until it is dropped.
#[derive(Debug)]
#[must_use = "the drain is not prolonged once this is dropped"]
pub struct DrainHold {
    _token: TaskTrackerToken,
}

impl Shutdown {
    /// The process serves until [`Shutdown::shut_down`] is called.
    pub fn new(drain: DrainConfig) -> Self {
        Self {
            drain,
            not_ready: CancellationToken::new(),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            work: TaskTracker::new(),
            holds: TaskTracker::new(),
        }
    }

    /// A shutdown that never comes, for the admin listener: it answers probes until the process exits.
    pub fn never() -> Self {
        Self::new(DrainConfig::default())
    }

    /// Waits for a signal to stop, then shuts the process down. Call it when every listener is bound.
    pub async fn run_until_signal(&self, mut signals: Signals) {
        tracing::info!("serving");
        signals.stopped().await;
        self.shut_down().await;
    }

    /// Shuts the process down, as the module's table says. Completes when all spawned work has ended, or 5 s after the
    /// drain window and the last [`DrainHold`] have ended.
    pub async fn shut_down(&self) {
        let notice = self.drain.notice.duration();
        let window = self.drain_window();
        tracing::info!(
            ?notice,
            "shutting down: not ready any more; serving on until Kubernetes has taken this pod out of its Services"
        );
        self.not_ready.cancel();
        tokio::time::sleep(notice).await;
        tracing::info!(
            ?window,
            connections = self.work.len(),
            "shutting down: closing connections over the drain window"
        );
        self.closing.cancel();
        self.work.close();
        self.holds.close();
        let give_up = async {
            tokio::time::sleep(window).await;
            self.holds.wait().await;
            tokio::time::sleep(LAST_CLOSE_TIME).await;
            self.ended.cancel();
            tokio::time::sleep(LAST_TASK_TIME).await;
        };
        tokio::select! {
            () = self.work.wait() => tracing::info!("shutting down: every connection has ended"),
            () = give_up => tracing::warn!(
                left = self.work.len(),
                "shutting down: the drain window is over and some connections or tasks have not ended; dropping them; if \
                 this happens often, make drain.window longer"
            ),
        }
    }

    /// Whether the shutdown has begun, so that `/readyz` must not say ready.
    pub fn is_shutting_down(&self) -> bool {
        self.not_ready.is_cancelled()
    }

    /// Waits until connections have to be closed, and no more may be accepted.
    pub async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// Whether connections have to be closed, and no more may be accepted.
    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Waits until the drain has ended: every connection that is left has to be dropped.
    pub async fn drain_ended(&self) {
        self.ended.cancelled().await;
    }

    /// Prolongs the drain for a connection that can't continue on another pod, until the hold is dropped.
    pub fn hold_drain(&self) -> DrainHold {
        DrainHold { _token: self.holds.token() }
    }

    /// Over how long the closes of connections are spread.
    pub fn drain_window(&self) -> Duration {
        self.drain.window.duration()
    }

    /// Runs a task that the process waits for when it shuts down.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.work.spawn(work);
    }
}
