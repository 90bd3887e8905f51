//! Centrifugo's JSON protocol: each text has one or more lines, and each line is an answer or a push.

use scenecast_scene::SceneId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::protocol::{PeerFrame, PeerProtocol, Publication};

const SUBSCRIBE_ID: u32 = 2;

pub(super) struct CentrifugoProtocol;

/// A line that the server sends. A ping has no field at all.
#[derive(Deserialize)]
struct CentrifugoReply<'a> {
    #[serde(default)]
    id: u32,
    error: Option<CentrifugoFault>,
    #[serde(borrow)]
    push: Option<&'a RawValue>,
    #[serde(borrow)]
    connect: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CentrifugoFault {
    code: u32,
}

impl PeerProtocol for CentrifugoProtocol {
    fn path(&self, _scene: SceneId) -> String {
        "/connection/websocket".to_owned()
    }

    fn greeting(&self, scene: SceneId) -> Option<String> {
        Some(format!(
            "{{\"id\":1,\"connect\":{{}}}}\n{{\"id\":{SUBSCRIBE_ID},\"subscribe\":{{\"channel\":\"{scene}\"}}}}"
        ))
    }

    fn read(&self, text: &str) -> PeerFrame {
        let frames = text.lines().map(read_line);
        frames
            .reduce(|first, second| if first == PeerFrame::Other { second } else { first })
            .unwrap_or(PeerFrame::Other)
    }

    fn publication(&self, scene: SceneId, payload: &str) -> Publication {
        Publication { path: "/api/publish".to_owned(), body: format!("{{\"channel\":\"{scene}\",\"data\":{payload}}}") }
    }
}

fn read_line(line: &str) -> PeerFrame {
    match serde_json::from_str(line) {
        Ok(CentrifugoReply { error: Some(CentrifugoFault { code }), .. }) => {
            PeerFrame::Refused(format!("error {code}"))
        }
        Ok(CentrifugoReply { push: Some(_), .. }) => PeerFrame::Message,
        Ok(CentrifugoReply { id: SUBSCRIBE_ID, .. }) => PeerFrame::Subscribed,
        Ok(CentrifugoReply { id: 0, connect: None, .. }) => PeerFrame::Ping("{}"),
        _ => PeerFrame::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_pushes_are_told_apart_also_in_one_text() {
        let read = |text: &str| CentrifugoProtocol.read(text);
        let connected = r#"{"id":1,"connect":{"client":"a","version":"6.9.1","ping":25,"pong":true}}"#;
        let subscribed = r#"{"id":2,"subscribe":{}}"#;
        assert_eq!(read(connected), PeerFrame::Other);
        assert_eq!(read(subscribed), PeerFrame::Subscribed);
        assert_eq!(read(&format!("{connected}\n{subscribed}")), PeerFrame::Subscribed);
        assert_eq!(read("{}"), PeerFrame::Ping("{}"));
        assert_eq!(read(r#"{"push":{"channel":"a","pub":{"data":{"type":"login"}}}}"#), PeerFrame::Message);
        let refused = r#"{"id":2,"error":{"code":103,"message":"permission denied"}}"#;
        assert_eq!(read(refused), PeerFrame::Refused("error 103".to_owned()));
        assert_eq!(read("<html>"), PeerFrame::Other);
    }
}
