//! Whether the peer is still there. No I/O and no clock.

use std::time::{Duration, Instant};

/// After this much silence the peer is asked whether it is still there …
const PING_AFTER: Duration = Duration::from_secs(25);
/// … and has this long to answer.
const PONG_LIMIT: Duration = Duration::from_secs(10);

/// When a peer was last heard, or asked.
#[derive(Debug)]
pub(crate) struct Liveness {
    heard: Instant,
    asked: bool,
}

/// What to do about a peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing.
    Fine,
    /// Send it a ping.
    Ask,
    /// Take it for gone.
    Gone,
}

impl Liveness {
    /// Of a peer that is there now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { heard: now, asked: false }
    }

    /// It sent something.
    pub(crate) fn heard(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// When [`Liveness::due`] has something to say.
    pub(crate) fn deadline(&self) -> Instant {
        self.heard + if self.asked { PONG_LIMIT } else { PING_AFTER }
    }

    /// What its silence means by now.
    pub(crate) fn due(&mut self, now: Instant) -> Silence {
        if now < self.deadline() {
            Silence::Fine
        } else if self.asked {
            Silence::Gone
        } else {
            *self = Self { heard: now, asked: true };
            Silence::Ask
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_asked_once_and_then_gone() {
        let start = Instant::now();
        let mut peer = Liveness::new(start);
        assert_eq!(peer.due(start + PING_AFTER / 2), Silence::Fine);
        let asked = peer.deadline();
        assert_eq!(peer.due(asked), Silence::Ask);
        assert_eq!(peer.due(asked), Silence::Fine);
        assert_eq!(peer.due(asked + PONG_LIMIT), Silence::Gone);
    }

    #[test]
    fn whoever_answers_is_there() {
        let mut peer = Liveness::new(Instant::now());
        let asked = peer.deadline();
        assert_eq!(peer.due(asked), Silence::Ask);
        peer.heard(asked);
        assert_eq!((peer.due(asked + PONG_LIMIT), peer.deadline()), (Silence::Fine, asked + PING_AFTER));
    }
}
