//! How the two sides of a page's socket know that it works. No I/O and no clock.
//!
//! | page | what the gateway does |
//! |---|---|
//! | asked for heartbeats | sends one every 5 s. The page takes silence for the end of the connection |
//! | didn't ask | pings a silent page, and takes it for gone if it doesn't answer |
//!
//! A page with heartbeats is not pinged: the kernel cuts a connection whose peer acknowledges nothing, and behind a proxy
//! the scene's end does.

use std::time::Instant;

use super::liveness::{Liveness, LivenessCheck};
use crate::session::HEARTBEAT;

#[derive(Debug)]
pub(crate) enum KeepAlive {
    /// When the next heartbeat is due.
    Heartbeats(Instant),
    Pings(Liveness),
}

/// What to do to keep a connection alive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeepAliveStep {
    Nothing,
    SendHeartbeat,
    SendPing,
    /// The page is gone.
    Close,
}

impl KeepAlive {
    /// For a page that connects now.
    pub(crate) fn new(wants_heartbeats: bool, now: Instant) -> Self {
        if wants_heartbeats { Self::Heartbeats(now + HEARTBEAT) } else { Self::Pings(Liveness::new(now)) }
    }

    pub(super) fn has_heartbeats(&self) -> bool {
        matches!(self, Self::Heartbeats(_))
    }

    /// Has to be called when the page has sent something.
    pub(super) fn received(&mut self, now: Instant) {
        if let Self::Pings(liveness) = self {
            liveness.received(now);
        }
    }

    /// When to call [`KeepAlive::check`].
    pub(super) fn deadline(&self) -> Instant {
        match self {
            Self::Heartbeats(due) => *due,
            Self::Pings(liveness) => liveness.deadline(),
        }
    }

    /// What is due. May be called before the deadline.
    pub(super) fn check(&mut self, now: Instant) -> KeepAliveStep {
        match self {
            Self::Heartbeats(due) if now < *due => KeepAliveStep::Nothing,
            Self::Heartbeats(due) => {
                *due = now + HEARTBEAT;
                KeepAliveStep::SendHeartbeat
            }
            Self::Pings(liveness) => match liveness.check(now) {
                LivenessCheck::Alive => KeepAliveStep::Nothing,
                LivenessCheck::SendPing => KeepAliveStep::SendPing,
                LivenessCheck::Dead => KeepAliveStep::Close,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_asked_for_heartbeats_gets_one_every_period_and_is_never_closed() {
        let mut now = Instant::now();
        let mut keep_alive = KeepAlive::new(true, now);
        for _ in 0..20 {
            assert_eq!(keep_alive.check(now), KeepAliveStep::Nothing);
            assert_eq!(keep_alive.deadline(), now + HEARTBEAT);
            now = keep_alive.deadline();
            assert_eq!(keep_alive.check(now), KeepAliveStep::SendHeartbeat);
        }
    }

    #[test]
    fn another_page_is_pinged_and_closed_unless_it_answers() {
        let mut keep_alive = KeepAlive::new(false, Instant::now());
        for _ in 0..2 {
            let ping_at = keep_alive.deadline();
            assert_eq!(keep_alive.check(ping_at), KeepAliveStep::SendPing);
            keep_alive.received(ping_at);
            assert_eq!(keep_alive.check(ping_at), KeepAliveStep::Nothing);
        }
        let ping_at = keep_alive.deadline();
        assert_eq!(keep_alive.check(ping_at), KeepAliveStep::SendPing);
        assert_eq!(keep_alive.check(keep_alive.deadline()), KeepAliveStep::Close);
    }
}
