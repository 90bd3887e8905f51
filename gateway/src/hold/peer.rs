//! The other end of a page's socket: what it may say, and whether it is still there. No I/O and no clock.

use std::time::{Duration, Instant};

use scenecast_shared::serve::Problem;

use crate::{
    wire::First,
    ws::{Incoming, Liveness, Silence, Violation},
};

/// How long a page may take to send its first frame.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// A page, as its socket's other end.
#[derive(Debug)]
pub(super) struct Peer {
    /// Until when it may send its first frame, if it hasn't.
    first_by: Option<Instant>,
    liveness: Liveness,
}

/// What a page said.
#[derive(Debug)]
pub(super) enum Said {
    /// What it wants.
    First(First),
    /// Whether we are there: to be answered with this.
    Ping(Vec<u8>),
    /// That it is there.
    Pong,
    /// That it leaves.
    Close,
    /// What is no WebSocket.
    Violation(Violation),
}

impl Peer {
    /// A page that has just connected.
    pub(super) fn new(now: Instant) -> Self {
        Self { first_by: Some(now + FIRST_FRAME), liveness: Liveness::new(now) }
    }

    /// What it said; a page says one thing, first.
    pub(super) fn received(&mut self, incoming: Incoming, now: Instant) -> Result<Said, Problem> {
        self.liveness.heard(now);
        match incoming {
            Incoming::Pong => Ok(Said::Pong),
            Incoming::Ping(payload) => Ok(Said::Ping(payload)),
            Incoming::Close => Ok(Said::Close),
            Incoming::Violation(violation) => Ok(Said::Violation(violation)),
            Incoming::Text(text) if self.first_by.take().is_some() => serde_json::from_str(&text)
                .map(Said::First)
                .map_err(|_| Problem::bad_request("the first frame has to be an open or a resume")),
            Incoming::Text(_) => Err(Problem::bad_request("nothing is expected after the first frame")),
        }
    }

    /// When [`Peer::due`] is to be called.
    pub(super) fn deadline(&self) -> Instant {
        let alive = self.liveness.deadline();
        self.first_by.map_or(alive, |by| by.min(alive))
    }

    /// The deadline has come, perhaps: what its silence means.
    pub(super) fn due(&mut self, now: Instant) -> Result<Silence, Problem> {
        if self.first_by.is_some_and(|by| by <= now) {
            return Err(Problem::bad_request("no first frame came within 5 seconds"));
        }
        Ok(self.liveness.due(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Incoming {
        Incoming::Text(text.to_owned())
    }

    /// A page that has said what it wants.
    fn heard(now: Instant) -> Peer {
        let mut peer = Peer::new(now);
        let first = peer.received(text(r#"{"open":{"account":"demo","locale":"zh-CN"}}"#), now);
        assert!(matches!(first, Ok(Said::First(First::Open(_)))), "{first:?}");
        peer
    }

    #[test]
    fn a_page_that_says_nothing_is_refused_after_five_seconds() {
        let now = Instant::now();
        let mut peer = Peer::new(now);
        assert_eq!(peer.deadline(), now + FIRST_FRAME);
        assert!(peer.due(now + FIRST_FRAME).is_err());
    }

    #[test]
    fn a_first_frame_that_is_neither_open_nor_resume_is_refused() {
        for frame in [
            "",
            "hello",
            "null",
            "{}",
            "[]",
            r#"{"open":{}}"#,
            r#"{"open":{"account":"../x"}}"#,
            r#"{"open":{"account":"demo","scene":"x"}}"#,
            r#"{"open":{"account":"demo","state":""}}"#,
            r#"{"open":{"account":"demo","locale":"en_US"}}"#,
            r#"{"resume":{"key":1}}"#,
            r#"{"resume":{}}"#,
            r#"{"resume":{"key":"x","after":-1}}"#,
            r#"{"open":{"account":"demo"},"resume":{"key":"x"}}"#,
        ] {
            let now = Instant::now();
            assert!(Peer::new(now).received(text(frame), now).is_err(), "{frame}");
        }
    }

    #[test]
    fn a_second_frame_is_refused() {
        let now = Instant::now();
        assert!(heard(now).received(text(r#"{"open":{"account":"demo"}}"#), now).is_err());
    }

    #[test]
    fn a_page_that_answers_is_asked_again_later() {
        let mut peer = heard(Instant::now());
        let asked = peer.deadline();
        assert!(matches!(peer.due(asked), Ok(Silence::Ask)));
        assert!(matches!(peer.received(Incoming::Pong, asked), Ok(Said::Pong)));
        assert!(matches!(peer.due(peer.deadline()), Ok(Silence::Ask)));
        assert!(matches!(peer.due(peer.deadline()), Ok(Silence::Gone)));
    }

    #[test]
    fn pings_are_to_be_answered_and_a_close_is_a_close() {
        let now = Instant::now();
        let ping = heard(now).received(Incoming::Ping(b"x".to_vec()), now);
        assert!(matches!(ping, Ok(Said::Ping(payload)) if payload == b"x"));
        assert!(matches!(heard(now).received(Incoming::Close, now), Ok(Said::Close)));
    }

    #[test]
    fn whatever_comes_first_is_an_open_a_resume_or_a_problem() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let now = Instant::now();
            let first = Peer::new(now).received(text(&String::from_utf8_lossy(bytes)), now);
            assert!(matches!(first, Ok(Said::First(_)) | Err(_)), "{first:?}");
        });
    }
}
