//! The signals that a process gets. They are held back before anything else happens, and then caught.
//!
//! | signal | what the process does |
//! |---|---|
//! | SIGTERM, SIGINT | shuts down; on the second, a second or more later, it ends at once |
//! | SIGHUP | whoever took it over acts; else it stops a process in a terminal, and is ignored by others |
//! | SIGUSR1, SIGUSR2 | ignored |
//!
//! What is ignored has a line in the log: without a handler each of these signals would end the process.
//!
//! See docs/decisions/079-signals-are-caught-before-anything-else.md.

use std::{future::pending, io::IsTerminal, time::Duration};

use nix::sys::signal::{SigSet, Signal as SignalName};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

/// What comes so soon after the first signal to stop is the same one: `timeout` sends it to the process and to its group,
/// and a terminal's Ctrl-C may reach both a process and its parent, which passes it on.
const SAME_WITHIN: Duration = Duration::from_secs(1);

/// The signals that are caught once the process has its handlers.
const CAUGHT: [SignalName; 5] =
    [SignalName::SIGTERM, SignalName::SIGINT, SignalName::SIGHUP, SignalName::SIGUSR1, SignalName::SIGUSR2];

/// Holds signals back from the process's first thread, and from those that it starts, until this is dropped: they come
/// then. For PID 1 the kernel drops a signal that has no handler, but not one that is held back.
#[derive(Debug)]
pub struct HeldSignals(SigSet);

impl HeldSignals {
    /// The first statement of a process that serves.
    pub fn hold() -> Self {
        let held: SigSet = CAUGHT.into_iter().collect();
        held.thread_block().expect("a thread may hold any signal back");
        Self(held)
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        self.0.thread_unblock().expect("a thread may take any signal");
    }
}

/// The signals from the start of the process on. What came before somebody waited isn't lost.
#[derive(Debug)]
pub struct Signals {
    stop: StopSignals,
    /// `None` once somebody has taken it over.
    hangup: Option<Signal>,
    user_defined_1: Signal,
    user_defined_2: Signal,
    in_terminal: bool,
}

/// The signals that ask the process to end.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches the signals from now on. Has to be called within a runtime.
    pub fn catch() -> Self {
        Self {
            stop: StopSignals::catch(),
            hangup: Some(catch(SignalKind::hangup())),
            user_defined_1: catch(SignalKind::user_defined1()),
            user_defined_2: catch(SignalKind::user_defined2()),
            in_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Takes SIGHUP over. `None` if that has been done before.
    pub fn take_hangup(&mut self) -> Option<Signal> {
        self.hangup.take()
    }

    /// Waits until the process has to shut down. Says which signals it ignores meanwhile.
    pub(crate) async fn stopped(&mut self) {
        loop {
            let hangup = async {
                match &mut self.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => pending().await,
                }
            };
            let ignored = tokio::select! {
                () = self.stop.next() => return,
                _ = hangup => {
                    // The terminal was closed, and nobody could stop the process there any more.
                    if self.in_terminal {
                        return;
                    }
                    "SIGHUP"
                }
                _ = self.user_defined_1.recv() => "SIGUSR1",
                _ = self.user_defined_2.recv() => "SIGUSR2",
            };
            tracing::info!(
                signal = ignored,
                "ignored a signal: this process reads no setting again while it runs; restart it to change one"
            );
        }
    }
}

impl StopSignals {
    /// Has to be called within a runtime.
    pub(crate) fn catch() -> Self {
        Self { terminate: catch(SignalKind::terminate()), interrupt: catch(SignalKind::interrupt()) }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for the second of them: somebody doesn't want to wait for the drain.
    pub(crate) async fn second(mut self) {
        self.next().await;
        let first = Instant::now();
        tracing::info!("got a signal to stop; a second one, a second or more later, ends the process at once");
        self.next().await;
        while first.elapsed() < SAME_WITHIN {
            tracing::info!("ignored a signal to stop that came within a second of the first");
            self.next().await;
        }
    }
}

fn catch(kind: SignalKind) -> Signal {
    signal(kind).expect("a process may handle the signals that end it")
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as SentSignal, getpid, kill_process};
    use tokio::{
        task::yield_now,
        time::{advance, timeout},
    };

    use super::*;

    /// The signal would end the process of the tests otherwise. It is one that no other test sends.
    #[tokio::test]
    async fn what_came_before_the_handlers_comes_once_they_are_there() {
        let held = HeldSignals::hold();
        nix::sys::signal::raise(SignalName::SIGUSR2).unwrap();
        let mut signals = Signals::catch();
        assert!(timeout(Duration::ZERO, signals.user_defined_2.recv()).await.is_err(), "it is held back");
        drop(held);
        signals.user_defined_2.recv().await;
    }

    /// The handlers of this process catch them, so no test ends.
    #[tokio::test(start_paused = true)]
    async fn a_signal_to_stop_that_is_repeated_at_once_is_the_same() {
        let mut sent = StopSignals::catch();
        let mut send = async |name| {
            kill_process(getpid(), name).unwrap();
            sent.next().await;
            yield_now().await;
        };
        let second = tokio::spawn(StopSignals::catch().second());
        yield_now().await;
        for name in [SentSignal::TERM, SentSignal::TERM, SentSignal::INT] {
            send(name).await;
            assert!(!second.is_finished(), "{name:?}");
        }
        advance(SAME_WITHIN).await;
        assert!(!second.is_finished());
        send(SentSignal::TERM).await;
        second.await.unwrap();
    }
}
