//! What differs between peers: how a page subscribes, what its frames mean, how a message is published. No I/O.

use scenecast_scene::SceneId;

/// The language of a kind of peer.
pub(super) trait PeerProtocol: Send + Sync {
    /// The path at which a page opens its WebSocket.
    fn path(&self, scene: SceneId) -> String;

    /// What a page sends as soon as its WebSocket is open. `None` if the WebSocket itself is the subscription.
    fn greeting(&self, scene: SceneId) -> Option<String>;

    /// What a text from the server means.
    fn read(&self, text: &str) -> PeerFrame;

    /// The request that publishes this JSON object to the page.
    fn publication(&self, scene: SceneId, payload: &str) -> Publication;
}

/// What a text from a peer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PeerFrame {
    /// The page is subscribed.
    Subscribed,
    /// The published message.
    Message,
    /// The server wants to know whether the page is there; this text answers.
    Ping(&'static str),
    /// The server refuses the page, and says why by this code.
    Refused(String),
    /// Something else that needs no answer.
    Other,
}

/// A request by `POST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publication {
    pub(super) path: String,
    pub(super) body: String,
}
