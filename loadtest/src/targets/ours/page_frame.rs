//! What the JSON of a gateway says to a page: the same fields on every transport.

use std::{borrow::Cow, io, time::Duration};

use scenecast_scene::SceneId;
use serde::Deserialize;

use crate::targets::target::{Heard, PageError};

/// What a page shows when its scene opens.
#[derive(Debug)]
pub(super) struct ShownScene {
    pub(super) scene: SceneId,
    /// What the code says.
    pub(super) url: String,
}

/// A gateway's message. Fields that it doesn't have are empty. It borrows, because most are looked at and dropped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GatewayMessage<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) scene: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) qr: ShownQr<'a>,
    pub(super) seq: u64,
    number: u8,
    #[serde(borrow)]
    grant: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) code: Cow<'a, str>,
    /// After how many seconds something that was refused may be tried again.
    retry_after: Option<u64>,
    /// After how many milliseconds a page may come back.
    retry_after_ms: Option<u64>,
    /// How often the connection has a sign of life, in seconds.
    heartbeat: Option<u64>,
}

/// A connection that misses this many signs of life is dead. A browser takes it for dead after fewer; a generator shares its
/// machine and may be slow itself.
const MISSED_HEARTBEATS: u32 = 3;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShownQr<'a> {
    /// What the code says.
    #[serde(borrow)]
    pub(super) url: Cow<'a, str>,
}

impl<'a> GatewayMessage<'a> {
    /// Reads a message; `None` if it is no JSON of that kind.
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// What a page hears by it, if it is news.
    pub(super) fn heard(&self) -> Option<Heard> {
        match &*self.kind {
            "scanned" => Some(Heard::Scanned { number: self.number }),
            "confirmed" => Some(Heard::Login { grant: Some(self.grant.clone().into_owned()) }),
            "declined" | "cancelled" | "expired" => Some(Heard::Over { code: self.kind.clone().into_owned() }),
            "problem" => {
                let code = self.code.clone().into_owned();
                Some(match self.retry_after {
                    Some(seconds) => Heard::SentAway { after: Duration::from_secs(seconds), problem: Some(code) },
                    None => Heard::Over { code },
                })
            }
            "restart" => {
                let after = Duration::from_millis(self.retry_after_ms.unwrap_or_default());
                Some(Heard::SentAway { after, problem: None })
            }
            // What opens a scene, heartbeats, and that Redis is away for a while.
            _ => None,
        }
    }

    /// How long the connection may be silent, if the message says how often it has a sign of life.
    pub(super) fn longest_silence(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.heartbeat?) * MISSED_HEARTBEATS)
    }
}

/// A connection that failed.
#[expect(clippy::needless_pass_by_value, reason = "it is the function of a `map_err`")]
pub(crate) fn broken(error: io::Error) -> PageError {
    PageError::of_connection(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(json: &str) -> Option<Heard> {
        GatewayMessage::read(json.as_bytes()).unwrap().heard()
    }

    #[test]
    fn a_page_hears_what_ends_its_wait_and_nothing_else() {
        let login = Heard::Login { grant: Some("g\"1".to_owned()) };
        assert_eq!(heard(r#"{"type":"confirmed","seq":2,"grant":"g\"1","name":"张"}"#), Some(login));
        assert_eq!(heard(r#"{"type":"scanned","seq":1,"number":42}"#), Some(Heard::Scanned { number: 42 }));
        assert_eq!(heard(r#"{"type":"expired"}"#), Some(Heard::Over { code: "expired".to_owned() }));
        let refused = heard(r#"{"type":"problem","code":"key_invalid","detail":"…"}"#);
        assert_eq!(refused, Some(Heard::Over { code: "key_invalid".to_owned() }));
        let crowded = heard(r#"{"type":"problem","code":"crowded","detail":"…","retry_after":3}"#);
        let after = Duration::from_secs(3);
        assert_eq!(crowded, Some(Heard::SentAway { after, problem: Some("crowded".to_owned()) }));
        let restart = heard(r#"{"type":"restart","retry_after_ms":700}"#);
        assert_eq!(restart, Some(Heard::SentAway { after: Duration::from_millis(700), problem: None }));
        for quiet in [r#"{"type":"heartbeat"}"#, r#"{"type":"trouble"}"#, r#"{"type":"resumed","state":"open"}"#, "{}"]
        {
            assert_eq!(heard(quiet), None, "{quiet}");
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in ["", "<html>", "[1]", "7", r#"{"type":7}"#] {
            assert!(GatewayMessage::read(text.as_bytes()).is_none_or(|message| message.heard().is_none()), "{text}");
        }
    }
}
