//! Subscriptions: what is confirmed when, and what is shared and left.

use scenecast_shared::{bus::Role, scene::SceneId, testing::RedisServer};

use crate::{
    fixtures::{apply, heard, hears_nothing, name, opening, pod, scan, scene, until},
    wire::{Flow, Way, Wire},
};

#[tokio::test]
async fn an_event_that_is_settled_while_the_subscribe_is_on_its_way_arrives() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server).await;
    let (here, there) = (pod(&wire.url(), Role::Watches).0, pod(&server.url(), Role::Settles).0);
    here.open(scene(1), &opening()).await.unwrap();
    // From then on it is connected.
    here.watch(scene(2), 0).await.unwrap();
    wire.flow(Way::ToRedis, Flow::Hold);
    let watching = tokio::spawn(async move { here.watch(scene(1), 0).await });
    wire.until_seen(1, Way::ToRedis, &subscribe_to(scene(1))).await;
    apply(&there, scene(1), "scan", &scan("ann")).await;
    wire.flow(Way::ToRedis, Flow::Pass);
    let (mut watch, mailbox) = watching.await.unwrap().unwrap();
    assert_eq!(mailbox.unwrap().events.len(), 1);
    assert_eq!(heard(&mut watch).await, "scanned");
    hears_nothing(&mut watch);
}

#[tokio::test]
async fn an_event_that_is_settled_while_the_confirmation_is_on_its_way_arrives() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server).await;
    let (here, there) = (pod(&wire.url(), Role::Watches).0, pod(&server.url(), Role::Settles).0);
    here.open(scene(1), &opening()).await.unwrap();
    wire.hold_answers_to(subscribe_to(scene(1)));
    let watching = tokio::spawn(async move { here.watch(scene(1), 0).await });
    wire.until_seen(1, Way::ToPod, &name(scene(1))).await;
    apply(&there, scene(1), "scan", &scan("ann")).await;
    wire.flow(Way::ToPod, Flow::Pass);
    let (mut watch, mailbox) = watching.await.unwrap().unwrap();
    assert_eq!(mailbox.unwrap().events.len(), 1);
    assert_eq!(heard(&mut watch).await, "scanned");
    hears_nothing(&mut watch);
}

#[tokio::test]
async fn watchers_of_one_scene_share_a_subscription_that_ends_with_the_last_of_them() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url(), Role::Watches);
    bus.watch(scene(2), 0).await.unwrap();
    let before = calls(&server, "ssubscribe").await;
    let (one, _) = bus.watch(scene(1), 0).await.unwrap();
    let (two, _) = bus.watch(scene(1), 0).await.unwrap();
    drop(one);
    // Whatever that might have sent is sent before this.
    bus.watch(scene(3), 0).await.unwrap();
    assert_eq!((calls(&server, "ssubscribe").await - before, subscribers(&server).await), (2, 1));
    drop(two);
    until("the last one's subscription ends", async || subscribers(&server).await == 0).await;
}

#[tokio::test]
async fn a_page_that_comes_back_at_once_stays_subscribed() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server).await;
    let (bus, _) = pod(&wire.url(), Role::Watches);
    bus.open(scene(1), &opening()).await.unwrap();
    let (old, _) = bus.watch(scene(1), 0).await.unwrap();
    // While another scene's subscription isn't confirmed, everything else has to wait.
    wire.hold_answers_to(subscribe_to(scene(2)));
    let busy = tokio::spawn({
        let bus = bus.clone();
        async move { bus.watch(scene(2), 0).await }
    });
    wire.until_seen(1, Way::ToPod, &name(scene(2))).await;
    drop(old);
    let back = tokio::spawn({
        let bus = bus.clone();
        async move { bus.watch(scene(1), 0).await }
    });
    until("it is back", async || bus.held() == 2).await;
    wire.flow(Way::ToPod, Flow::Pass);
    let (mut watch, _) = back.await.unwrap().unwrap();
    let _other = busy.await.unwrap().unwrap();
    assert_eq!((subscribers(&server).await, calls(&server, "sunsubscribe").await), (1, 0));
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
}

/// The command, as it goes to Redis.
fn subscribe_to(scene: SceneId) -> String {
    format!("SSUBSCRIBE\r\n$25\r\n{}", name(scene))
}

/// How many subscribe to the first scene, says the server.
async fn subscribers(server: &RedisServer) -> usize {
    let count = server.cli(&["PUBSUB", "SHARDNUMSUB", &name(scene(1))]).await.unwrap();
    count.lines().last().unwrap().parse().unwrap()
}

/// How often the server was told to do this.
async fn calls(server: &RedisServer, command: &str) -> usize {
    let stats = server.cli(&["INFO", "commandstats"]).await.unwrap();
    let calls = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}
