//! Whether the peer is still there. No I/O and no clock.
//!
//! ```text
//! received something ──25 s──▶ send a ping ──10 s──▶ dead
//!         ▲                        │ received something
//!         └────────────────────────┘
//! ```

use std::time::{Duration, Instant};

/// After this time without anything received, the peer gets a ping …
const PING_AFTER: Duration = Duration::from_secs(25);
/// … and has this time to answer.
const PONG_TIMEOUT: Duration = Duration::from_secs(10);

/// When the peer last sent something, or got a ping.
#[derive(Debug)]
pub(crate) struct Liveness {
    since: Instant,
    was_pinged: bool,
}

/// What to do about the peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LivenessCheck {
    Alive,
    SendPing,
    Dead,
}

impl Liveness {
    /// The liveness of a peer that is there now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, was_pinged: false }
    }

    pub(crate) fn received(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// When to call [`Liveness::check`].
    pub(crate) fn deadline(&self) -> Instant {
        self.since + if self.was_pinged { PONG_TIMEOUT } else { PING_AFTER }
    }

    /// Checks how long the peer has sent nothing. May be called before the deadline.
    pub(crate) fn check(&mut self, now: Instant) -> LivenessCheck {
        if now < self.deadline() {
            LivenessCheck::Alive
        } else if self.was_pinged {
            LivenessCheck::Dead
        } else {
            *self = Self { since: now, was_pinged: true };
            LivenessCheck::SendPing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_gets_one_ping_and_is_then_dead() {
        let start = Instant::now();
        let mut peer = Liveness::new(start);
        assert_eq!(peer.check(start + PING_AFTER / 2), LivenessCheck::Alive);
        let ping_at = peer.deadline();
        assert_eq!(peer.check(ping_at), LivenessCheck::SendPing);
        assert_eq!(peer.check(ping_at), LivenessCheck::Alive);
        assert_eq!(peer.check(ping_at + PONG_TIMEOUT), LivenessCheck::Dead);
    }

    #[test]
    fn a_peer_that_answers_is_alive() {
        let mut peer = Liveness::new(Instant::now());
        let ping_at = peer.deadline();
        assert_eq!(peer.check(ping_at), LivenessCheck::SendPing);
        peer.received(ping_at);
        assert_eq!((peer.check(ping_at + PONG_TIMEOUT), peer.deadline()), (LivenessCheck::Alive, ping_at + PING_AFTER));
    }
}
