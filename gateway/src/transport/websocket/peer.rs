//! The page at the other end of a WebSocket: what it may send, and whether it is still there. No I/O and no clock.
//!
//! A page sends one text frame, which opens or resumes a scene, within 5 s. After it the page sends no more text.

use std::time::{Duration, Instant};

use super::{
    decoder::{Incoming, ProtocolError},
    liveness::{Liveness, LivenessCheck},
};
use crate::{refusal::PageRefusal, session::ClientMessage};

/// How long a page may take to send its first frame.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(5);

/// A page, as seen from its socket.
#[derive(Debug)]
pub(super) struct PagePeer {
    /// When its first frame has to have come; none if it has.
    first_frame_by: Option<Instant>,
    liveness: Liveness,
}

/// What a page sent.
#[derive(Debug)]
pub(super) enum PeerEvent {
    FirstMessage(ClientMessage),
    /// The answer is a pong with the same payload.
    Ping(Vec<u8>),
    Pong,
    Close,
    ProtocolError(ProtocolError),
}

impl PagePeer {
    /// A page that has just connected.
    pub(super) fn new(now: Instant) -> Self {
        Self { first_frame_by: Some(now + FIRST_FRAME_TIMEOUT), liveness: Liveness::new(now) }
    }

    /// Takes in what the page sent.
    pub(super) fn received(&mut self, incoming: Incoming, now: Instant) -> Result<PeerEvent, PageRefusal> {
        self.liveness.received(now);
        match incoming {
            Incoming::Pong => Ok(PeerEvent::Pong),
            Incoming::Ping(payload) => Ok(PeerEvent::Ping(payload)),
            Incoming::Close => Ok(PeerEvent::Close),
            Incoming::ProtocolError(error) => Ok(PeerEvent::ProtocolError(error)),
            Incoming::Text(text) if self.first_frame_by.take().is_some() => serde_json::from_str(&text)
                .map(PeerEvent::FirstMessage)
                .map_err(|_| PageRefusal::BadRequest("the first frame has to be an open or a resume")),
            Incoming::Text(_) => Err(PageRefusal::BadRequest("nothing is expected after the first frame")),
        }
    }

    /// When to call [`PagePeer::check`].
    pub(super) fn deadline(&self) -> Instant {
        let liveness = self.liveness.deadline();
        self.first_frame_by.map_or(liveness, |by| by.min(liveness))
    }

    /// Checks whether the page is still there. Has to be called at the deadline, and may be called sooner.
    pub(super) fn check(&mut self, now: Instant) -> Result<LivenessCheck, PageRefusal> {
        if self.first_frame_by.is_some_and(|by| by <= now) {
            return Err(PageRefusal::BadRequest("no first frame came within 5 seconds"));
        }
        Ok(self.liveness.check(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Incoming {
        Incoming::Text(text.to_owned())
    }

    /// A page that has sent its first frame.
    fn after_first_frame(now: Instant) -> PagePeer {
        let mut peer = PagePeer::new(now);
        let first = peer.received(text(r#"{"open":{"account":"demo","locale":"zh-CN"}}"#), now);
        assert!(matches!(first, Ok(PeerEvent::FirstMessage(ClientMessage::Open(_)))), "{first:?}");
        peer
    }

    #[test]
    fn a_page_that_sends_nothing_is_refused_after_five_seconds() {
        let now = Instant::now();
        let mut peer = PagePeer::new(now);
        assert_eq!(peer.deadline(), now + FIRST_FRAME_TIMEOUT);
        assert!(peer.check(now + FIRST_FRAME_TIMEOUT).is_err());
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
            assert!(PagePeer::new(now).received(text(frame), now).is_err(), "{frame}");
        }
    }

    #[test]
    fn a_second_frame_is_refused() {
        let now = Instant::now();
        assert!(after_first_frame(now).received(text(r#"{"open":{"account":"demo"}}"#), now).is_err());
    }

    #[test]
    fn a_page_that_answers_a_ping_gets_another_one_later() {
        let mut peer = after_first_frame(Instant::now());
        let ping_at = peer.deadline();
        assert!(matches!(peer.check(ping_at), Ok(LivenessCheck::SendPing)));
        assert!(matches!(peer.received(Incoming::Pong, ping_at), Ok(PeerEvent::Pong)));
        assert!(matches!(peer.check(peer.deadline()), Ok(LivenessCheck::SendPing)));
        assert!(matches!(peer.check(peer.deadline()), Ok(LivenessCheck::Dead)));
    }

    #[test]
    fn a_ping_keeps_its_payload_and_a_close_is_a_close() {
        let now = Instant::now();
        let ping = after_first_frame(now).received(Incoming::Ping(b"x".to_vec()), now);
        assert!(matches!(ping, Ok(PeerEvent::Ping(payload)) if payload == b"x"));
        assert!(matches!(after_first_frame(now).received(Incoming::Close, now), Ok(PeerEvent::Close)));
    }

    #[test]
    fn any_first_frame_is_an_open_a_resume_or_refused() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let now = Instant::now();
            let first = PagePeer::new(now).received(text(&String::from_utf8_lossy(bytes)), now);
            assert!(matches!(first, Ok(PeerEvent::FirstMessage(_)) | Err(_)), "{first:?}");
        });
    }
}
