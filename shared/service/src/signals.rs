//! The signals that a process gets. They are caught before anything else happens.
//!
//! | signal | what the process does |
//! |---|---|
//! | SIGTERM, SIGINT | shuts down; on the second it ends at once |
//! | SIGHUP | whoever took it over acts; else it stops a process in a terminal, and is ignored by others |
//! | SIGUSR1, SIGUSR2 | ignored |
//!
//! What is ignored has a line in the log: without a handler each of these signals would end the process.
//!
//! See docs/decisions/079-signals-are-caught-before-anything-else.md.

use std::{future::pending, io::IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};

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
        self.next().await;
    }
}

fn catch(kind: SignalKind) -> Signal {
    signal(kind).expect("a process may handle the signals that end it")
}
