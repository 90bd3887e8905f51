//! Leaving: not ready, wait, stop accepting, drain, done.

use std::time::Duration;

use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::config::Drain;

/// What a process's parts know of its end. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Shutdown {
    drain: Drain,
    leaving: CancellationToken,
    closing: CancellationToken,
    work: TaskTracker,
}

impl Shutdown {
    /// A process that goes on until [`Shutdown::leave`].
    pub fn new(drain: Drain) -> Self {
        Self { drain, leaving: CancellationToken::new(), closing: CancellationToken::new(), work: TaskTracker::new() }
    }

    /// For what goes on until the process is gone: probes are answered while it drains.
    pub fn never() -> Self {
        Self::new(Drain::default())
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

    /// Takes the process through its end now. Done when all work is, or the drain window and five
    /// seconds have passed.
    pub async fn leave(&self) {
        let (notice, window) = (self.drain.notice.duration(), self.drain.window.duration());
        tracing::info!(?notice, "not ready any more; waiting for the endpoints to notice");
        self.leaving.cancel();
        tokio::time::sleep(notice).await;
        tracing::info!(?window, held = self.work.len(), "closing");
        self.closing.cancel();
        self.work.close();
        let deadline = Instant::now() + window + Duration::from_secs(5);
        match tokio::time::timeout_at(deadline, self.work.wait()).await {
            Ok(()) => tracing::info!("drained"),
            Err(_) => tracing::warn!(left = self.work.len(), "the drain window is over; leaving what is left"),
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

    /// Over how long closes are spread.
    pub fn window(&self) -> Duration {
        self.drain.window.duration()
    }

    /// Runs work that the process waits for at its end.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.work.spawn(work);
    }
}
