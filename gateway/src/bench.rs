//! What a page is sent, as functions without I/O, for the benches.

use scenecast_scene::Event;

use crate::{session::ServerMessage, transport::websocket::text_frame};

/// The WebSocket frame that tells a page of this event.
pub fn event_frame(event: &Event) -> Vec<u8> {
    text_frame(&ServerMessage::event(event).to_json())
}
