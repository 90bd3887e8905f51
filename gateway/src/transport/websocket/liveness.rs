//! Whether the peer is still there. No I/O and no clock.
//!
//! ```text
//! received something ──25 s, or a look──▶ send a ping ──10 s; after a look 6 s──▶ dead
//!         ▲                                   │ received something
//!         └───────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

/// After this time without anything received, the peer gets a ping …
const PING_AFTER: Duration = Duration::from_secs(25);
/// … and has this time to answer.
const PONG_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take to answer when somebody needs to know soon: longer than a slow network with a lost packet or
/// two needs, and shorter than most people need to confirm a login.
const LOOK_TIMEOUT: Duration = Duration::from_secs(6);

/// When a peer that is silent gets a ping, or is taken for dead.
#[derive(Debug)]
pub(crate) struct Liveness {
    due: Instant,
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
        Self { due: now + PING_AFTER, was_pinged: false }
    }

    pub(crate) fn received(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// Has to be called with a ping that is sent because somebody needs to know soon whether the peer is still there.
    pub(crate) fn look(&mut self, now: Instant) {
        let due = now + LOOK_TIMEOUT;
        *self = Self { due: if self.was_pinged { due.min(self.due) } else { due }, was_pinged: true };
    }

    /// When to call [`Liveness::check`].
    pub(crate) fn deadline(&self) -> Instant {
        self.due
    }

    /// Checks how long the peer has sent nothing. May be called before the deadline.
    pub(crate) fn check(&mut self, now: Instant) -> LivenessCheck {
        if now < self.due {
            LivenessCheck::Alive
        } else if self.was_pinged {
            LivenessCheck::Dead
        } else {
            *self = Self { due: now + PONG_TIMEOUT, was_pinged: true };
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
    #[test]
    fn a_peer_that_is_looked_at_has_less_time() {
        let now = Instant::now();
        let mut peer = Liveness::new(now);
        peer.look(now);
        let slow_answer = now + Duration::from_secs(5);
        assert_eq!(peer.check(slow_answer), LivenessCheck::Alive, "a live page on a slow network keeps its scene");
        // Another look, or one at a peer that has been pinged, gives no more time.
        peer.look(slow_answer);
        assert_eq!(peer.check(now + LOOK_TIMEOUT), LivenessCheck::Dead);
        peer.received(now + LOOK_TIMEOUT);
        assert_eq!(peer.check(now + LOOK_TIMEOUT * 2), LivenessCheck::Alive, "it has answered");
    }
}
