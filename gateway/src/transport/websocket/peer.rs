//! The page at the other end of a WebSocket: what it may send, and when. No I/O and no clock.
//!
//! A page sends a text frame, which opens or resumes a scene, within 5 s. After it, it may send probes.

use std::time::{Duration, Instant};

use super::decoder::{Incoming, ProtocolError};
use crate::{
    refusal::PageRefusal,
    session::{ClientMessage, LaterMessage},
};

/// How long a page may take to send its first frame.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(5);

/// A page, as seen from its socket.
#[derive(Debug)]
pub(super) struct PagePeer {
    /// When its first frame has to have come; none if it has.
    first_frame_by: Option<Instant>,
}

/// What a page sent.
#[derive(Debug)]
pub(super) enum PeerEvent {
    FirstMessage(ClientMessage),
    /// The answer is a heartbeat.
    Probe,
    /// The answer is a pong with the same payload.
    Ping(Vec<u8>),
    Pong,
    Close,
    ProtocolError(ProtocolError),
}

impl PagePeer {
    /// A page that has just connected.
    pub(super) fn new(now: Instant) -> Self {
        Self { first_frame_by: Some(now + FIRST_FRAME_TIMEOUT) }
    }

    /// Takes in what the page sent.
    pub(super) fn received(&mut self, incoming: Incoming) -> Result<PeerEvent, PageRefusal> {
        match incoming {
            Incoming::Pong => Ok(PeerEvent::Pong),
            Incoming::Ping(payload) => Ok(PeerEvent::Ping(payload)),
            Incoming::Close => Ok(PeerEvent::Close),
            Incoming::ProtocolError(error) => Ok(PeerEvent::ProtocolError(error)),
            Incoming::Text(text) if self.first_frame_by.take().is_some() => {
                ClientMessage::read(&text).map(PeerEvent::FirstMessage).map_err(PageRefusal::BadRequest)
            }
            Incoming::Text(text) => serde_json::from_str(&text)
                .map(|LaterMessage::Probe {}| PeerEvent::Probe)
                .map_err(|_| PageRefusal::BadRequest("after the first frame, only probes are expected")),
        }
    }

    /// When to call [`PagePeer::check`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.first_frame_by
    }

    /// Checks whether the page has sent its first frame in time. Has to be called at the deadline, and may be called
    /// sooner.
    pub(super) fn check(&self, now: Instant) -> Result<(), PageRefusal> {
        match self.first_frame_by {
            Some(by) if by <= now => Err(PageRefusal::BadRequest("no first frame came within 5 seconds")),
            _ => Ok(()),
        }
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
        let first = peer.received(text(r#"{"open":{"account":"demo","locale":"zh-CN"}}"#));
        assert!(matches!(first, Ok(PeerEvent::FirstMessage(ClientMessage::Open(_)))), "{first:?}");
        peer
    }

    #[test]
    fn a_page_that_sends_nothing_is_refused_after_five_seconds() {
        let now = Instant::now();
        let peer = PagePeer::new(now);
        assert_eq!(peer.deadline(), Some(now + FIRST_FRAME_TIMEOUT));
        assert!(peer.check(now).is_ok());
        assert!(peer.check(now + FIRST_FRAME_TIMEOUT).is_err());
    }

    #[test]
    fn a_first_frame_that_is_neither_open_nor_resume_is_refused_and_its_fault_is_named() {
        for (frame, named) in [
            ("", "JSON"),
            ("hello", "JSON"),
            ("null", "an open or a resume"),
            ("{}", "an open or a resume"),
            ("[]", "an open or a resume"),
            (r#"{"open":{}}"#, "account is missing"),
            (r#"{"open":{"account":"../x"}}"#, "account has to be"),
            (r#"{"open":{"account":"demo","scene":"x"}}"#, "beside account, state and locale"),
            (r#"{"open":{"account":"demo","state":""}}"#, "state has to be"),
            (r#"{"open":{"account":"demo","locale":"en US"}}"#, "locale has to be"),
            (r#"{"resume":{"key":1}}"#, "resume has a key"),
            (r#"{"resume":{}}"#, "resume has a key"),
            (r#"{"resume":{"key":"x","after":-1}}"#, "resume has a key"),
            (r#"{"open":{"account":"demo"},"resume":{"key":"x"}}"#, "an open or a resume"),
            (r#"{"probe":{}}"#, "an open or a resume"),
        ] {
            match PagePeer::new(Instant::now()).received(text(frame)) {
                Err(PageRefusal::BadRequest(detail)) => assert!(detail.contains(named), "{frame}: {detail}"),
                other => panic!("{frame}: {other:?}"),
            }
        }
    }

    #[test]
    fn after_the_first_frame_a_page_may_only_probe() {
        let mut peer = after_first_frame(Instant::now());
        assert_eq!(peer.deadline(), None);
        for _ in 0..2 {
            assert!(matches!(peer.received(text(r#"{"probe":{}}"#)), Ok(PeerEvent::Probe)));
        }
        for frame in [r#"{"open":{"account":"demo"}}"#, r#"{"probe":{"x":1}}"#, r#""probe""#, "", "x"] {
            assert!(after_first_frame(Instant::now()).received(text(frame)).is_err(), "{frame}");
        }
    }

    #[test]
    fn a_ping_keeps_its_payload_and_a_close_is_a_close() {
        let now = Instant::now();
        let ping = after_first_frame(now).received(Incoming::Ping(b"x".to_vec()));
        assert!(matches!(ping, Ok(PeerEvent::Ping(payload)) if payload == b"x"));
        assert!(matches!(after_first_frame(now).received(Incoming::Close), Ok(PeerEvent::Close)));
    }

    #[test]
    fn any_first_frame_is_an_open_a_resume_or_refused() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let first = PagePeer::new(Instant::now()).received(text(&String::from_utf8_lossy(bytes)));
            assert!(matches!(first, Ok(PeerEvent::FirstMessage(_)) | Err(_)), "{first:?}");
        });
    }
}
