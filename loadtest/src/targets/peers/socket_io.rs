//! Socket.IO over a WebSocket (Engine.IO 4): a digit for the kind of packet comes before each text.

use scenecast_scene::SceneId;

use super::protocol::{PeerFrame, PeerProtocol, Publication};

/// A page joins the default namespace.
const CONNECT: &str = "40";
const PONG: &str = "3";

pub(super) struct SocketIoProtocol;

impl PeerProtocol for SocketIoProtocol {
    fn path(&self, scene: SceneId) -> String {
        format!("/socket.io/?EIO=4&transport=websocket&scene={scene}")
    }

    fn greeting(&self, _scene: SceneId) -> Option<String> {
        Some(CONNECT.to_owned())
    }

    fn read(&self, text: &str) -> PeerFrame {
        match text {
            "2" => PeerFrame::Ping(PONG),
            _ if text.starts_with(CONNECT) => PeerFrame::Subscribed,
            _ if text.starts_with("42") => PeerFrame::Message,
            _ if text.starts_with("44") => PeerFrame::Refused("connect_error".to_owned()),
            _ => PeerFrame::Other,
        }
    }

    fn publication(&self, scene: SceneId, payload: &str) -> Publication {
        Publication { path: format!("/pub/{scene}"), body: payload.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_known_by_their_digits() {
        let read = |text: &str| SocketIoProtocol.read(text);
        assert_eq!(read(r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#), PeerFrame::Other);
        assert_eq!(read(r#"40{"sid":"b"}"#), PeerFrame::Subscribed);
        assert_eq!(read("2"), PeerFrame::Ping("3"));
        assert_eq!(read(r#"42["login","{}"]"#), PeerFrame::Message);
        assert_eq!(read(r#"44{"message":"no"}"#), PeerFrame::Refused("connect_error".to_owned()));
    }
}
