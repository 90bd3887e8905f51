//! What Redis has to allow each kind of pod, and what it needn't.

use std::time::{Duration, SystemTime};

use scenecast_shared::{
    bus::{Bus, BusError, Role},
    redis::Redis,
    scene::{DeliveryId, Transition},
    store::{
        Asked, Budget, Census, Codes, Guess, Guesses, JsCodes, Letter, LetterKind, Outbox, Pauses, Pending, Replay,
        ReplayGuard, Report, Room, Spent, Store, StoredToken, Sweep, TokenStore, Users,
    },
    telemetry::Metrics,
    testing::{RedisServer, acl_rules},
    wechat::{Session, Signed},
};

use crate::fixtures::{LIFE, account, apply, cause, heard, name, opening, person, pod, scan, scene};

const PASSWORD: &str = "password";

#[tokio::test]
async fn a_gateway_watches_and_reads_scenes_and_can_do_nothing_else() {
    let server = RedisServer::start().await;
    server.add_user("gateway", PASSWORD, acl_rules("gateway")).await;
    let (gateway, _) = pod(&server.url_for("gateway", PASSWORD), Role::Watches);
    let (callback, _) = pod(&server.url(), Role::Settles);
    callback.open(scene(1), &opening()).await.unwrap();

    let (mut watch, mailbox) = gateway.watch(scene(1), 0).await.unwrap();
    assert!(mailbox.is_some());
    apply(&callback, scene(1), "scan", &scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
    assert!(gateway.read(scene(1)).await.unwrap().is_some());

    let opened = gateway.open(scene(2), &opening()).await;
    assert!(matches!(&opened, Err(BusError::Undecided(why)) if why.contains("NOPERM")), "{opened:?}");
    let settled = gateway.settle(scene(1), &cause("x"), &Transition::Cancel).await;
    assert!(matches!(&settled, Err(BusError::Undecided(why)) if why.contains("NOPERM")), "{settled:?}");
    let name = name(scene(1));
    for forbidden in [
        &["SPUBLISH", &name, "x"][..],
        &["PUBLISH", &name, "x"],
        &["HSET", &name, "state", "confirmed"],
        &["DEL", &name],
        &["GET", "token:demo"],
        &["HMGET", "token:demo", "x"],
        &["PTTL", "token:demo"],
        &["SSUBSCRIBE", "token:demo"],
        &["HMGET", "user:demo:oAnn", "x"],
        &["XLEN", "outbox:demo"],
        &["EVAL", "return 1", "1", &name],
        &["SET", "fence:0", "x"],
        &["WAIT", "0", "1"],
        &["CLUSTER", "INFO"],
        &["KEYS", "*"],
        &["PUBSUB", "SHARDCHANNELS"],
        &["CLIENT", "PAUSE", "1000"],
        &["CLIENT", "KILL", "TYPE", "normal"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["FLUSHALL"],
    ] {
        let refusal = as_gateway(&server, forbidden).await.unwrap_err();
        assert!(refusal.starts_with("NOPERM"), "{forbidden:?}: {refusal}");
    }
}

#[tokio::test]
async fn a_gateway_is_counted_and_that_opens_nothing_else() {
    let server = RedisServer::start().await;
    server.add_user("gateway", PASSWORD, acl_rules("gateway")).await;
    let redis = Redis::connect(&server.url_for("gateway", PASSWORD).parse().unwrap(), &Metrics::new());
    let mut census = Census::new(Store::over(Some(redis)));
    let report = Report { held: 7, version: "1".to_owned(), leaving: false };
    assert_eq!(census.tell(&report).await.unwrap().into_values().collect::<Vec<_>>(), [Some(report)]);

    let name = name(scene(1));
    for forbidden in [
        &["HSET", &name, "state", "confirmed"][..],
        &["HDEL", &name, "state"],
        &["HGETALL", &name],
        &["HSET", "token:demo", "x", "y"],
        &["HGETALL", "user:demo:oAnn"],
        &["DEL", "census:gateways"],
        &["EVAL", "while true do end", "0"],
        &["EVALSHA", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "0"],
        &["SCRIPT", "LOAD", "while true do end"],
    ] {
        let refusal = as_gateway(&server, forbidden).await.unwrap_err();
        assert!(refusal.starts_with("NOPERM"), "{forbidden:?}: {refusal}");
    }
}

async fn as_gateway(server: &RedisServer, command: &[&str]) -> Result<String, String> {
    server.cli(&[&["--user", "gateway", "--pass", PASSWORD], command].concat()).await
}

#[tokio::test]
async fn a_callback_settles_and_uses_the_stores() {
    let server = RedisServer::start().await;
    server.add_user("callback", PASSWORD, acl_rules("callback")).await;
    let url = server.url_for("callback", PASSWORD).parse().unwrap();
    let (bus, redis) = Bus::connect(&url, Role::Settles, &Metrics::new());
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert!(bus.read(scene(1)).await.unwrap().is_some());

    let store = Store::over(redis);
    let tokens = TokenStore::new(store.clone());
    let lease = tokens.lease("wxdemo").await.unwrap().expect("the right");
    tokens.put("wxdemo", &StoredToken { token: "token".to_owned(), expires_at: 0 }, LIFE).await.unwrap();
    tokens.release("wxdemo", lease).await.unwrap();
    assert!(tokens.get("wxdemo").await.unwrap().is_some());
    let signed = Signed { signature: "s", timestamp: "1800000000", nonce: "n" };
    assert_eq!(ReplayGuard::new(store.clone()).check(&account(), signed, b"body").await, Ok(Replay::Genuine));
    let (budget, js_codes) = (Budget::new(store.clone(), "qrcode"), JsCodes::new(store.clone()));
    assert_eq!(budget.spend(&account(), SystemTime::now()).await, Ok(Spent::Calls(1)));
    budget.use_up(&account(), SystemTime::now()).await.unwrap();
    js_codes
        .remember(DeliveryId::of(&["a"]), &Session { openid: "oAnn".parse().unwrap(), unionid: None })
        .await
        .unwrap();
    assert!(js_codes.recall(DeliveryId::of(&["a"])).await.unwrap().is_some());
    knows_people(&store).await;
    carries_letters(&store).await;
}

async fn knows_people(store: &Store) {
    let who = person("ann").openid;
    let (pending, guesses, codes) =
        (Pending::new(store.clone()), Guesses::new(store.clone()), Codes::new(store.clone()));
    let met = Users::new(store.clone(), None).meet(&account(), &who, 0, |user| user.registered(true)).await;
    assert!(met.unwrap().0.registered);
    let (asked, delivery) = (Asked { scene: scene(1), typed: false, since: 1 }, cause("code").delivery);
    pending.put(&account(), &who, asked, LIFE).await.unwrap();
    assert_eq!(pending.get(&account(), &who).await, Ok(Some(asked)));
    assert_eq!(guesses.guess(&account(), &who, delivery, LIFE).await, Ok(Guess::Allowed));
    guesses.right(&account(), &who, delivery).await.unwrap();
    let code = codes.issue(&account(), scene(1), LIFE).await.unwrap();
    assert_eq!(codes.find(&account(), &code).await, Ok(Some(scene(1))));
}

async fn carries_letters(store: &Store) {
    let outbox = Outbox::new(store.clone(), Room { waiting: 1, dead: 1 });
    let delivery = cause("follow").delivery;
    let letter = Letter { account: account(), kind: LetterKind::Followed, delivery, created: 0, body: "x".into() };
    for _ in ["waits", "dead"] {
        outbox.put(&letter).await.unwrap();
    }
    outbox.take_new(&account(), 1).await.unwrap();
    let at_once = Pauses { first: Duration::ZERO, longest: Duration::ZERO };
    let due = outbox.take_due(&account(), 1, at_once, &mut Sweep::default()).await.unwrap();
    outbox.bury(&due[0]).await.unwrap();
    assert_eq!(outbox.waiting(&account()).await, Ok(0));
    assert!(outbox.dead(&account()).await.unwrap() > 0);
}
