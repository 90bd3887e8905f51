//! Subscriptions: what is confirmed when, and what is shared and left.

use scenecast_scene::SceneId;
use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisCluster, RedisServer, SlotMove};

use crate::fixtures::{apply, callback, heard, hears_nothing, name, opening, pod, scan, scene, until};

#[tokio::test]
async fn an_event_that_is_settled_while_the_subscribe_is_on_its_way_arrives() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::to(&server).await;
    let (here, there) = (pod(&wire.url()).0, callback(&server.url()).0);
    here.open(scene(1), &opening()).await.unwrap();
    // From then on it is connected.
    here.watch(scene(2), 0).await.unwrap();
    wire.flow(Direction::ToServer, ProxyMode::Hold);
    let watching = tokio::spawn(async move { here.watch(scene(1), 0).await });
    wire.until_seen(1, Direction::ToServer, &subscribe_to(scene(1))).await;
    apply(&there, scene(1), "scan", &scan("ann")).await;
    wire.flow(Direction::ToServer, ProxyMode::Pass);
    let (mut watch, mailbox) = watching.await.unwrap().unwrap();
    assert_eq!(mailbox.unwrap().events.len(), 1);
    assert_eq!(heard(&mut watch).await, "scanned");
    hears_nothing(&mut watch);
}

#[tokio::test]
async fn an_event_that_is_settled_while_the_confirmation_is_on_its_way_arrives() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::to(&server).await;
    let (here, there) = (pod(&wire.url()).0, callback(&server.url()).0);
    here.open(scene(1), &opening()).await.unwrap();
    wire.hold_answers_to(subscribe_to(scene(1)));
    let watching = tokio::spawn(async move { here.watch(scene(1), 0).await });
    wire.until_seen(1, Direction::ToClient, &name(scene(1))).await;
    apply(&there, scene(1), "scan", &scan("ann")).await;
    wire.flow(Direction::ToClient, ProxyMode::Pass);
    let (mut watch, mailbox) = watching.await.unwrap().unwrap();
    assert_eq!(mailbox.unwrap().events.len(), 1);
    assert_eq!(heard(&mut watch).await, "scanned");
    hears_nothing(&mut watch);
}

#[tokio::test]
async fn watchers_of_one_scene_share_a_subscription_that_ends_with_the_last_of_them() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
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
    let wire = RecordingProxy::to(&server).await;
    let (bus, _) = pod(&wire.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (old, _) = bus.watch(scene(1), 0).await.unwrap();
    // While another scene's subscription isn't confirmed, everything else has to wait.
    wire.hold_answers_to(subscribe_to(scene(2)));
    let busy = tokio::spawn({
        let bus = bus.clone();
        async move { bus.watch(scene(2), 0).await }
    });
    wire.until_seen(1, Direction::ToClient, &name(scene(2))).await;
    drop(old);
    let back = tokio::spawn({
        let bus = bus.clone();
        async move { bus.watch(scene(1), 0).await }
    });
    until("it is back", async || bus.watched_scenes() == 2).await;
    wire.flow(Direction::ToClient, ProxyMode::Pass);
    let (mut watch, _) = back.await.unwrap().unwrap();
    let _other = busy.await.unwrap().unwrap();
    assert_eq!((subscribers(&server).await, calls(&server, "sunsubscribe").await), (1, 0));
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
}

#[tokio::test]
async fn an_answer_that_is_taken_for_anothers_is_noticed() {
    let server = RedisServer::start().await;
    // The client waits for no answer to an unsubscribe, and takes its refusal for the next subscribe's.
    server.add_user("deaf", "password", "~* &* +@all -sunsubscribe").await;
    let wire = RecordingProxy::to(&server).await;
    let (bus, metrics) = pod(&wire.url().replace("redis://", "redis://deaf:password@"));
    let (there, _) = callback(&server.url());
    for n in 1..=4 {
        there.open(scene(n), &opening()).await.unwrap();
    }
    let (leaving, _) = bus.watch(scene(1), 0).await.unwrap();
    let watch = |n| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.watch(scene(n), 0).await })
    };
    // While another scene's subscription isn't confirmed, everything else has to wait, and goes together then.
    wire.hold_answers_to(subscribe_to(scene(4)));
    let mut coming = vec![watch(4)];
    wire.until_seen(1, Direction::ToClient, &name(scene(4))).await;
    drop(leaving);
    coming.extend([watch(2), watch(3)]);
    until("they wait", async || bus.watched_scenes() == 3).await;
    wire.flow(Direction::ToClient, ProxyMode::Pass);
    let mut watches = vec![];
    for watch in coming {
        watches.push(watch.await.unwrap().unwrap().0);
    }
    for (n, watch) in [4, 2, 3].into_iter().zip(&mut watches) {
        apply(&there, scene(n), "scan", &scan("ann")).await;
        assert_eq!(heard(watch).await, "scanned");
    }
    assert!(metrics.text().contains("scenecast_catch_ups_total{cause=\"reconnect\"} 2"), "{}", metrics.text());
}

#[tokio::test]
async fn subscriptions_that_end_without_a_word_are_missed() {
    let cluster = RedisCluster::start_with(3, 0).await;
    let (bus, metrics) = pod(&cluster.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let plan = cluster.plan_move(&name(scene(1))).await;
    // Told again that the slot is its own, a node ends what is subscribed in it.
    cluster.end_move_at(plan.from, SlotMove { to: plan.from, ..plan }).await;
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
    assert!(metrics.text().contains("scenecast_catch_ups_total{cause=\"vanished\"} 1"), "{}", metrics.text());
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
