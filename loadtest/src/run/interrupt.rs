//! Ctrl-C and SIGTERM: the first one ends the run early with a partial result, the second one at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::RunError;

/// What signals ask of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupts {
    /// Cancelled at the first signal: nothing new is planned.
    pub(super) stop: CancellationToken,
    /// Cancelled at the second one: the run is dropped, with its processes.
    pub(super) at_once: CancellationToken,
}

/// Waits for signals from now on, and calls `note` with what each of them means.
pub(super) fn wait_for_signals(note: impl Fn(&str) + Send + 'static) -> Result<Interrupts, RunError> {
    let caught = |kind| signal(kind).map_err(|source| RunError::Process { what: "catch signals", source });
    let (mut interrupt, mut terminate) = (caught(SignalKind::interrupt())?, caught(SignalKind::terminate())?);
    let interrupts = Interrupts::default();
    let Interrupts { stop, at_once } = interrupts.clone();
    tokio::spawn(async move {
        for (cancelled, meaning) in [
            (
                stop,
                "stopping: logins under way may end, and the result will say that it is partial (again: end at once)",
            ),
            (at_once, "ending at once, without a result"),
        ] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            note(meaning);
            cancelled.cancel();
        }
    });
    Ok(interrupts)
}
