//! The routes for pages that were written for other servers: their formats, and what is no such page.

mod bad_input;
mod leaving;
mod sockets;

use std::{net::SocketAddr, time::SystemTime};

use scenecast_gateway::config::{Compatible, CompatibleListener, CompatibleRoute};
use scenecast_loadtest::visitor::{Said, Socket, Visitor};
use scenecast_shared::scene::{Acceptance, Claims, Grant, Opening, Page as Shows, Transition};

use super::*;
use crate::world::{KEY_SECRET, ann, ring};

/// How Ann is shown.
const AVATAR: &str = "https://wx.example/ann";

/// All of them, for one account.
pub(crate) fn all() -> Compatible {
    let on = || Some(CompatibleRoute { account: account() });
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Compatible {
        path_socket: on(),
        client_id_socket: on(),
        typed_code: on(),
        qr_on_open: Some(CompatibleListener { account: account(), listen }),
        ticket_polling: on(),
    }
}

/// A gateway with all of them.
pub(crate) async fn world() -> World {
    World::compatible(Bus::memory(), Limits::default(), all()).await
}

impl World {
    fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Opens the scene of this browser, as the callback does when its page asks for a code.
    async fn opened_by(&self, visitor: &Visitor) -> Scene {
        let claims = claims_of(visitor);
        let life = claims.remaining(SystemTime::now());
        let opening = Opening { account: account(), binding: None, page: Shows::default(), life };
        assert!(self.bus.open(claims.scene, &opening).await.unwrap());
        Scene { id: claims.scene, key: String::new() }
    }

    /// Logs Ann in.
    async fn log_in(&self, scene: &Scene) -> Grant {
        let (grant, life) = (Grant::issue(scene.id), Duration::from_secs(60));
        let login = Acceptance { person: ann(AVATAR), grant: grant.clone(), life, typed: false, registered: false };
        self.settle(scene, Transition::LogIn { account: account(), login }).await;
        grant
    }

    /// What the site's backend does with a grant.
    async fn redeem(&self, scene: &Scene, grant: &Grant) {
        let redeem = Transition::Redeem { grant: grant.digest(), account: account(), binding: None };
        self.settle(scene, redeem).await;
    }

    /// Waits until a metric is this.
    async fn metric_is(&self, name: &str, value: u64) {
        until(&format!("{name} is {value}"), async || self.metric(name) == value).await;
    }
}

/// What a browser's only cookie of ours says.
fn claims_of(visitor: &Visitor) -> Claims {
    let cookies = visitor.cookies();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let key = cookies.values().next().unwrap().parse().unwrap();
    ring(KEY_SECRET).check(&key, SystemTime::now()).unwrap()
}

async fn said(socket: &mut Socket) -> Said {
    tokio::time::timeout(PATIENCE, socket.hear()).await.expect("something is said within 10 s")
}
