//! Ctrl-C and SIGTERM: the first one ends the run early with a partial result, the second one at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::RunError;

/// The exit code of a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// Cancels the token at the first signal, and calls `note` with what that means. At the second one `note` is called again
/// and the process exits.
pub(super) fn stop_at_signals(note: impl Fn(&str) + Send + 'static) -> Result<CancellationToken, RunError> {
    let caught = |kind| signal(kind).map_err(|source| RunError::Process { what: "catch signals", source });
    let (mut interrupt, mut terminate) = (caught(SignalKind::interrupt())?, caught(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if again {
                note("ended at once, without a result");
                std::process::exit(INTERRUPTED);
            }
            note("stopping: logins under way may end, and the result will say that it is partial (again: end at once)");
            stopped.cancel();
        }
    });
    Ok(stop)
}
