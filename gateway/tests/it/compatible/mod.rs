//! The routes for login pages that were written for other servers: their formats, and invalid requests.

mod bad_input;
mod browser_cookies;
mod drain;
mod on_open;
mod sockets;

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use scenecast_browsers::cookie_browser::{CookieBrowser, PageSocket, SocketMessage};
use scenecast_scene::{Acceptance, Claims, Grant, NewScene, PageInfo, Transition};
use sha2::{Digest, Sha256};

use crate::fixtures::{GatewayWorld, KEY_SECRET, PATIENCE, Scene, acceptance, account, ann, compatible_key_ring};

const AVATAR: &str = "https://wx.example/ann";

impl GatewayWorld {
    fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Opens the scene of this browser, as the callback does when its page asks for a code.
    async fn open_scene_of(&self, visitor: &CookieBrowser) -> Scene {
        let claims = claims_of(visitor);
        let life = claims.remaining(SystemTime::now());
        let opening =
            NewScene { account: account(), binding: None, page: PageInfo::default(), life, traceparent: None };
        assert!(self.writer.open(claims.scene, &opening).await.unwrap());
        Scene { id: claims.scene, key: String::new() }
    }

    async fn log_ann_in(&self, scene: &Scene) -> Grant {
        let grant = Grant::issue(scene.id);
        let login = Acceptance { person: ann(AVATAR), ..acceptance(&grant, "Ann") };
        self.settle(scene, Transition::LogIn { account: account(), login }).await;
        grant
    }

    /// Redeems a grant, as the site's backend does.
    async fn redeem(&self, scene: &Scene, grant: &Grant) {
        let redeem = Transition::Redeem { grant: grant.digest(), account: account(), binding: None };
        self.settle(scene, redeem).await;
    }
}

/// The name of a browser's cookie for an id on a route, over HTTP.
fn cookie_name(route: &str, id: &str) -> String {
    let digest = Sha256::new().chain_update(route).chain_update([0]).chain_update(id).finalize();
    format!("scenecast.{route}.{}", URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// What the key in a browser's only cookie of ours says.
fn claims_of(visitor: &CookieBrowser) -> Claims {
    let cookies = visitor.cookies();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let key = cookies.values().next().unwrap().parse().unwrap();
    compatible_key_ring(KEY_SECRET).check(&key, SystemTime::now()).unwrap()
}

/// What the socket gets next.
async fn next(socket: &mut PageSocket) -> SocketMessage {
    tokio::time::timeout(PATIENCE, socket.next_message()).await.expect("a message or a close within 10 s")
}
