//! Peers that break the rules on purpose: how they are refused, and that other pages are served meanwhile.

mod floods;
mod frames;
mod requests;

use scenecast_browsers::{login_page::LoginPage, raw_websocket::RawWebSocket};

use crate::fixtures::{GatewayWorld, PATIENCE, Scene, frame, log_in};

/// A socket that has sent nothing yet.
async fn raw_socket(world: &GatewayWorld) -> RawWebSocket {
    RawWebSocket::connect(world.address).await.unwrap()
}

/// The first byte and the payload of the next frame; none at the end.
async fn next_frame(socket: &mut RawWebSocket) -> Option<(u8, Vec<u8>)> {
    tokio::time::timeout(PATIENCE, socket.frame()).await.expect("a frame or the end within 10 s")
}

/// The code with which it is closed.
async fn raw_close_code(socket: &mut RawWebSocket) -> Option<u16> {
    tokio::time::timeout(PATIENCE, socket.close_code()).await.expect("a close within 10 s")
}

/// A page that keeps to the rules, and waits for its login.
struct Bystander {
    page: LoginPage,
    scene: Scene,
}

impl Bystander {
    async fn watching(world: &GatewayWorld) -> Self {
        let scene = world.scene().await;
        let page = world.page_of(&scene).await;
        Self { page, scene }
    }

    /// Checks that the page gets its login.
    async fn gets_login(mut self, world: &GatewayWorld) {
        world.settle(&self.scene, log_in(&self.scene.grant(), "Ann")).await;
        assert_eq!(frame(&mut self.page).await.kind, "confirmed");
    }
}
