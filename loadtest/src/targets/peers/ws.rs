//! ws + ioredis, as `loadtest/src/peers/files/ws.js` uses them: the WebSocket is the subscription, and each text is a
//! message.

use scenecast_scene::SceneId;

use super::protocol::{PeerFrame, PeerProtocol, Publication};

pub(super) struct WsProtocol;

impl PeerProtocol for WsProtocol {
    fn path(&self, scene: SceneId) -> String {
        format!("/ws/{scene}")
    }

    fn greeting(&self, _scene: SceneId) -> Option<String> {
        None
    }

    fn read(&self, _text: &str) -> PeerFrame {
        PeerFrame::Message
    }

    fn publication(&self, scene: SceneId, payload: &str) -> Publication {
        Publication { path: format!("/pub/{scene}"), body: payload.to_owned() }
    }
}
