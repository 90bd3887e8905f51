//! Peers that break the rules on purpose: what they are told, and that nobody else notices.

mod floods;
mod frames;
mod requests;

use scenecast_loadtest::hostile::websocket::{
    BINARY, CLOSE, CONTINUE, FIN, PING, Raw, TEXT, announced, frame_of, resume_of,
};

use super::*;

/// A page without a scene.
async fn page(world: &World) -> Raw {
    Raw::connect(world.address).await.unwrap()
}

/// What it says next: the first byte and the payload of a frame, or nothing any more.
async fn said(page: &mut Raw) -> Option<(u8, Vec<u8>)> {
    tokio::time::timeout(PATIENCE, page.frame()).await.expect("a frame or the end within 10 s")
}

/// The code by which it is closed.
async fn closed(page: &mut Raw) -> Option<u16> {
    tokio::time::timeout(PATIENCE, page.close_code()).await.expect("a close within 10 s")
}

/// A page that behaves, and waits for its login.
struct Bystander {
    page: Page,
    scene: Scene,
}

impl Bystander {
    async fn watching(world: &World) -> Self {
        let (mut page, scene) = (world.page().await, world.scene().await);
        page.resume(&scene.key, 0).await.unwrap();
        assert_eq!(frame(&mut page).await.kind, "resumed");
        Self { page, scene }
    }

    /// Its login arrives.
    async fn logs_in(mut self, world: &World) {
        world.settle(&self.scene, log_in(&self.scene)).await;
        assert_eq!(frame(&mut self.page).await.kind, "confirmed");
    }
}
