//! Leaving: not ready, wait, stop accepting, drain, done.
//!
//! ```text
//! leave() ──notice──▶ closing ──window, and as long as something stays──▶ ──2 s──▶ over ──3 s──▶ done
//! ```
//!
//! Done at once when no work is left after `closing`.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::config::types::DrainConfig;

/// How long those who are told to go last may take to hear it.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long what is dropped then may take to notice.
const AT_LAST: Duration = Duration::from_secs(3);

/// What a process's parts know of its end. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Shutdown {
    drain: DrainConfig,
    leaving: CancellationToken,
    closing: CancellationToken,
    over: CancellationToken,
    work: TaskTracker,
    stays: TaskTracker,
}

/// Holds the drain open beyond its window, until it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it holds nothing open"]
pub struct DrainHold {
    _open: TaskTrackerToken,
}

impl Shutdown {
    /// A process that goes on until [`Shutdown::leave`].
    pub fn new(drain: DrainConfig) -> Self {
        Self {
            drain,
            leaving: CancellationToken::new(),
            closing: CancellationToken::new(),
            over: CancellationToken::new(),
            work: TaskTracker::new(),
            stays: TaskTracker::new(),
        }
    }

    /// For what goes on until the process is gone: probes are answered while it drains.
    pub fn never() -> Self {
        Self::new(DrainConfig::default())
    }

    /// Waits for SIGTERM or SIGINT, then leaves. To be called once all is bound.
    pub async fn run_until_signal(&self) {
        tracing::info!("serving");
        let mut terminate = signal(SignalKind::terminate()).expect("a process may handle SIGTERM");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        self.leave().await;
    }

    /// Takes the process through its end now. Done when all work is, or five seconds after the drain
    /// window, or after all that stays longer.
    pub async fn leave(&self) {
        let (notice, window) = (self.drain.notice.duration(), self.window());
        tracing::info!(?notice, "not ready any more; waiting for the endpoints to notice");
        self.leaving.cancel();
        tokio::time::sleep(notice).await;
        tracing::info!(?window, held = self.work.len(), "closing");
        self.closing.cancel();
        self.work.close();
        self.stays.close();
        let overdue = async {
            tokio::time::sleep(window).await;
            self.stays.wait().await;
            tokio::time::sleep(FAREWELL).await;
            self.over.cancel();
            tokio::time::sleep(AT_LAST).await;
        };
        tokio::select! {
            () = self.work.wait() => tracing::info!("drained"),
            () = overdue => tracing::warn!(left = self.work.len(), "the drain is over; leaving what is left"),
        }
    }

    /// Whether the process has been told to end.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Done when connections are to be closed and no more accepted.
    pub async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// Whether connections are being closed, and no more accepted.
    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Done when the drain is over: what nobody reads or answers any more is dropped then.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Holds the drain open for what can't go on elsewhere. Whoever takes it says when that ends.
    pub fn stay(&self) -> DrainHold {
        DrainHold { _open: self.stays.token() }
    }

    /// Over how long closes are spread.
    pub fn window(&self) -> Duration {
        self.drain.window.duration()
    }

    /// Runs work that the process waits for at its end.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.work.spawn(work);
    }
}
