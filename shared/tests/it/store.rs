//! What pods have in common beside scenes: tokens, the right to refresh them, the replay guard and
//! budgets, over memory and Redis.

use std::time::{Duration, SystemTime};

use scenecast_shared::{
    bus::{Bus, Role},
    scene::{AccountName, DeliveryId},
    store::{Budget, JsCodes, Replay, ReplayGuard, Spent, Store, StoredToken, TokenStore},
    telemetry::Metrics,
    testing::RedisServer,
    wechat::{Session, Signed},
};
use tokio::task::JoinSet;

use crate::{
    fixtures::{LIFE, account, until},
    wire::{Flow, Way, Wire},
};

const APP_ID: &str = "wxdemo";
const OTHER_APP_ID: &str = "wxother";

/// Stores of two pods.
struct Pods {
    here: Store,
    there: Store,
    server: Option<RedisServer>,
}

impl Pods {
    fn memory() -> Self {
        let store = Store::over(None);
        Self { here: store.clone(), there: store, server: None }
    }

    async fn redis() -> Self {
        let server = RedisServer::start().await;
        Self { here: store(&server.url()), there: store(&server.url()), server: Some(server) }
    }
}

fn store(url: &str) -> Store {
    Store::over(Bus::connect(&url.parse().unwrap(), Role::Settles, &Metrics::new()).1)
}

/// Runs each test over each backend.
macro_rules! over_every_backend {
    ($($promise:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Pods::memory()).await;
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Pods::redis().await).await;
            })*
        }
    };
}

over_every_backend! {
    a_token_is_shared_until_its_life_ends
    one_of_many_gets_the_right_to_refresh
    a_right_that_ended_is_not_given_back_over_its_successor
    a_signature_is_good_for_one_body
    a_budget_is_counted_by_all_pods_day_by_day
    who_sent_a_js_code_is_known_to_all_pods
}

async fn a_token_is_shared_until_its_life_ends(pods: Pods) {
    let (here, there) = (TokenStore::new(pods.here), TokenStore::new(pods.there));
    assert!(there.get(APP_ID).await.unwrap().is_none());
    let token = |text: &str| StoredToken { token: text.to_owned(), expires_at: 1_800_000_000_000 };
    here.put(APP_ID, &token("first"), LIFE).await.unwrap();
    assert!(there.get(APP_ID).await.unwrap() == Some(token("first")));
    assert!(there.get(OTHER_APP_ID).await.unwrap().is_none());
    there.put(APP_ID, &token("second"), Duration::from_millis(30)).await.unwrap();
    assert!(here.get(APP_ID).await.unwrap() != Some(token("first")));
    until("its life ends", async || here.get(APP_ID).await.unwrap().is_none()).await;
}

async fn one_of_many_gets_the_right_to_refresh(pods: Pods) {
    let (here, there) = (TokenStore::new(pods.here), TokenStore::new(pods.there));
    let mut leases = JoinSet::new();
    for store in [&here, &there].into_iter().cycle().take(50) {
        let store = store.clone();
        leases.spawn(async move { store.lease(APP_ID).await.unwrap() });
    }
    let mut won: Vec<_> = leases.join_all().await.into_iter().flatten().collect();
    let (lease, None) = (won.pop().expect("one gets it"), won.pop()) else { panic!("two got it") };
    assert!(there.lease(OTHER_APP_ID).await.unwrap().is_some(), "each app has its own");
    here.release(APP_ID, lease).await.unwrap();
    assert!(there.lease(APP_ID).await.unwrap().is_some());
}

async fn a_right_that_ended_is_not_given_back_over_its_successor(pods: Pods) {
    let (here, there) = (TokenStore::new(pods.here), TokenStore::new(pods.there));
    let late = here.lease(APP_ID).await.unwrap().expect("the right");
    // The refresh takes too long.
    match &pods.server {
        None => {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        Some(server) => assert_eq!(server.cli(&["PEXPIRE", "token-lease:wxdemo", "0"]).await.unwrap(), "1"),
    }
    assert!(there.lease(APP_ID).await.unwrap().is_some());
    here.release(APP_ID, late).await.unwrap();
    assert!(here.lease(APP_ID).await.unwrap().is_none(), "the other pod still has it");
}

async fn a_signature_is_good_for_one_body(pods: Pods) {
    let (here, there) = (ReplayGuard::new(pods.here), ReplayGuard::new(pods.there));
    let signed = Signed { signature: "s", timestamp: "1800000000", nonce: "n" };
    assert_eq!(here.check(&account(), signed, b"body").await, Ok(Replay::Genuine));
    assert_eq!(there.check(&account(), signed, b"body").await, Ok(Replay::Genuine), "a redelivery");
    assert_eq!(there.check(&account(), signed, b"another").await, Ok(Replay::Forged));
    let next = Signed { nonce: "m", ..signed };
    assert_eq!(there.check(&account(), next, b"another").await, Ok(Replay::Genuine));
    assert_eq!(there.check(&other(), signed, b"another").await, Ok(Replay::Genuine));
}

async fn a_budget_is_counted_by_all_pods_day_by_day(pods: Pods) {
    let (here, there) = (Budget::new(pods.here.clone(), "qrcode"), Budget::new(pods.there, "qrcode"));
    let today = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert_eq!(here.spend(&account(), today).await, Ok(Spent::Calls(1)));
    assert_eq!(there.spend(&account(), today).await, Ok(Spent::Calls(2)));
    assert_eq!(there.spend(&other(), today).await, Ok(Spent::Calls(1)));
    assert_eq!(Budget::new(pods.here, "user").spend(&account(), today).await, Ok(Spent::Calls(1)));
    assert_eq!(there.spend(&account(), today + Duration::from_secs(24 * 60 * 60)).await, Ok(Spent::Calls(1)));
    there.use_up(&account(), today).await.unwrap();
    assert_eq!(here.spend(&account(), today).await, Ok(Spent::UsedUp));
    assert_eq!(here.spend(&other(), today).await, Ok(Spent::Calls(2)));
    assert_eq!(here.spend(&account(), today + Duration::from_secs(24 * 60 * 60)).await, Ok(Spent::Calls(2)));
    if let Some(server) = &pods.server {
        let life: i64 = server.cli(&["TTL", "budget:qrcode:demo:20833"]).await.unwrap().parse().unwrap();
        assert!((24 * 60 * 60..=2 * 24 * 60 * 60).contains(&life), "{life}");
    }
}

async fn who_sent_a_js_code_is_known_to_all_pods(pods: Pods) {
    let (here, there) = (JsCodes::new(pods.here), JsCodes::new(pods.there));
    let [ann, bo] = ["ann's", "bo's"].map(|js_code| DeliveryId::of(&[js_code]));
    let session = Session { openid: "oAnn".parse().unwrap(), unionid: Some("oUnion".to_owned()) };
    here.remember(ann, &session).await.unwrap();
    let recalled = there.recall(ann).await.unwrap().unwrap();
    assert_eq!((recalled.openid, recalled.unionid), (session.openid, session.unionid));
    assert!(there.recall(bo).await.unwrap().is_none());
}

#[tokio::test]
async fn whoever_got_the_right_to_refresh_gets_it_though_the_answer_was_lost() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server).await;
    let tokens = TokenStore::new(store(&wire.url()));
    assert!(tokens.get(APP_ID).await.unwrap().is_none());
    wire.forget();
    wire.hold_answers_to("token-lease:wxdemo");
    let leasing = tokio::spawn(async move { tokens.lease(APP_ID).await });
    wire.until_seen(1, Way::ToPod, "_\r\n").await;
    // The client asks again on its next connection, and finds the name taken: by itself.
    wire.cut();
    wire.flow(Way::ToPod, Flow::Pass);
    wire.mend();
    assert!(leasing.await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn a_store_without_redis_says_so() {
    let mut server = RedisServer::start().await;
    let tokens = TokenStore::new(store(&server.url()));
    server.stop().await;
    assert!(tokens.get(APP_ID).await.is_err());
    assert!(tokens.lease(APP_ID).await.is_err());
}

fn other() -> AccountName {
    "other".parse().unwrap()
}
