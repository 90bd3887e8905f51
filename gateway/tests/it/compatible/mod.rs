//! The routes for pages that were written for other servers: their formats, and what is no such page.

mod bad_input;
mod leaving;
mod sockets;

use std::time::SystemTime;

use scenecast_gateway::config::{CompatibleListener, CompatibleRoute};
use scenecast_loadtest::visitor::{Said, Socket, Visitor};
use scenecast_shared::scene::{
    Acceptance, Cause, ChosenId, Claims, DeliveryId, Grant, Opening, Page, Person, Profile, Settled, Transition,
};

use super::*;

/// All of them, for one account.
fn all() -> Compatible {
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

async fn world() -> World {
    World::with(Limits::default(), all()).await
}

impl World {
    fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Opens this scene, as the callback does when its page asks for a code.
    async fn open(&self, claims: &Claims, chosen_id: &str) {
        let page = Page { chosen_id: Some(chosen_id.parse::<ChosenId>().unwrap()), ..Page::default() };
        let life = claims.remaining(SystemTime::now());
        let opening = Opening { account: account(), binding: None, page, life };
        assert!(self.bus.open(claims.scene, &opening).await.unwrap());
    }

    /// Logs Ann in.
    async fn log_in(&self, claims: &Claims) -> Grant {
        let grant = Grant::issue(claims.scene);
        let profile = Profile { name: "Ann 🦊".to_owned(), avatar: "https://wx.example/ann".to_owned() };
        let person = Person { account: account(), openid: "oAnn".parse().unwrap(), unionid: None, profile };
        let life = Duration::from_secs(60);
        let login = Acceptance { person, grant: grant.clone(), life, typed: false, registered: false };
        self.settle(claims, Transition::LogIn { account: account(), login }).await;
        grant
    }

    /// What the site's backend does with a grant.
    async fn redeem(&self, claims: &Claims, grant: &Grant) {
        let redeem = Transition::Redeem { grant: grant.digest(), account: account(), binding: None };
        self.settle(claims, redeem).await;
    }

    async fn settle(&self, claims: &Claims, transition: Transition) {
        let delivery = DeliveryId::of(&[&format!("{transition:?}")]);
        let cause = Cause { delivery, received_at: 0, traceparent: None };
        let settled = self.bus.settle(claims.scene, &cause, &transition).await.unwrap();
        assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
    }

    /// Waits until so many scenes have a page here.
    async fn holds(&self, scenes: usize) {
        self.tells(&format!("scenecast_scenes_held {scenes}")).await;
    }

    /// Waits until this is among the metrics.
    async fn tells(&self, line: &str) {
        let told = async {
            while !self.counts(line) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.unwrap_or_else(|_| panic!("not in 10 s: {line}"));
    }

    fn counts(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|written| written == line)
    }
}

async fn said(socket: &mut Socket) -> Said {
    tokio::time::timeout(Duration::from_secs(10), socket.hear()).await.expect("something is said within 10 s")
}

/// What the browser's only cookie of ours says.
fn claims_of(visitor: &Visitor) -> Claims {
    let cookies = visitor.cookies();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let key = cookies.values().next().unwrap().parse().unwrap();
    ring(KEY_SECRET).check(&key, SystemTime::now()).unwrap()
}
