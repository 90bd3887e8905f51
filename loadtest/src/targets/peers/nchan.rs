//! Nchan: the WebSocket is the subscription, and each text is a message.

use scenecast_scene::SceneId;

use super::protocol::{PeerFrame, PeerProtocol, Publication};

pub(super) struct NchanProtocol;

impl PeerProtocol for NchanProtocol {
    fn path(&self, scene: SceneId) -> String {
        format!("/sub/{scene}")
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
