//! Subscriptions: when they count as confirmed, who shares them, and when they end.

use scenecast_scene::SceneId;
use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisCluster, RedisServer, SlotMove};

use crate::fixtures::{
    apply, assert_no_notice, callback, next_event_kind, opening, pod, redis_name, scan, scene, until,
};

#[tokio::test]
async fn an_event_that_is_settled_before_redis_gets_the_subscribe_arrives() {
    let server = RedisServer::start().await;
    let proxy = RecordingProxy::start(&server).await;
    let (gateway, _) = pod(&proxy.url());
    let (callback, _) = callback(&server.url());
    gateway.open(scene(1), &opening()).await.unwrap();
    // After this, the connection for subscriptions is up.
    gateway.watch(scene(2), 0).await.unwrap();
    proxy.set_mode(Direction::ToServer, ProxyMode::Hold);
    let watching = tokio::spawn(async move { gateway.watch(scene(1), 0).await });
    proxy.until_seen(1, Direction::ToServer, &subscribe_command(scene(1))).await;
    apply(&callback, scene(1), "scan", &scan("ann")).await;
    proxy.set_mode(Direction::ToServer, ProxyMode::Pass);
    let (mut watch, mailbox) = watching.await.unwrap().unwrap();
    assert_eq!(mailbox.unwrap().events.len(), 1);
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert_no_notice(&mut watch);
}

#[tokio::test]
async fn an_event_that_is_settled_before_the_confirmation_arrives_is_delivered() {
    let server = RedisServer::start().await;
    let proxy = RecordingProxy::start(&server).await;
    let (gateway, _) = pod(&proxy.url());
    let (callback, _) = callback(&server.url());
    gateway.open(scene(1), &opening()).await.unwrap();
    proxy.hold_responses_after(subscribe_command(scene(1)));
    let watching = tokio::spawn(async move { gateway.watch(scene(1), 0).await });
    proxy.until_seen(1, Direction::ToClient, &redis_name(scene(1))).await;
    apply(&callback, scene(1), "scan", &scan("ann")).await;
    proxy.set_mode(Direction::ToClient, ProxyMode::Pass);
    let (mut watch, mailbox) = watching.await.unwrap().unwrap();
    assert_eq!(mailbox.unwrap().events.len(), 1);
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert_no_notice(&mut watch);
}

#[tokio::test]
async fn watchers_of_one_scene_share_a_subscription_that_ends_with_the_last_watcher() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.watch(scene(2), 0).await.unwrap();
    let before = calls(&server, "ssubscribe").await;
    let (one, _) = bus.watch(scene(1), 0).await.unwrap();
    let (two, _) = bus.watch(scene(1), 0).await.unwrap();
    drop(one);
    // If dropping the watch sent something, it was sent before this subscribe.
    bus.watch(scene(3), 0).await.unwrap();
    assert_eq!((calls(&server, "ssubscribe").await - before, subscribers(&server).await), (2, 1));
    drop(two);
    until("the subscription ends with the last watcher", async || subscribers(&server).await == 0).await;
}

#[tokio::test]
async fn pages_that_leave_one_after_the_other_are_unsubscribed_together() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    let mut watches = vec![];
    for n in 1..=20 {
        watches.push(bus.watch(scene(n), 0).await.unwrap());
    }
    for watch in watches {
        drop(watch);
        tokio::task::yield_now().await;
    }
    until("the subscriptions end", async || subscribers(&server).await == 0).await;
    let commands = calls(&server, "sunsubscribe").await;
    assert!(commands < 20, "alone, each would have been a command: {commands}");
    // One that comes meanwhile takes them along, and doesn't wait.
    let (leaving, _) = bus.watch(scene(1), 0).await.unwrap();
    drop(leaving);
    let _staying = bus.watch(scene(2), 0).await.unwrap();
    assert_eq!(calls(&server, "sunsubscribe").await, commands + 1);
}

#[tokio::test]
async fn a_page_that_reconnects_at_once_stays_subscribed() {
    let server = RedisServer::start().await;
    let proxy = RecordingProxy::start(&server).await;
    let (bus, _) = pod(&proxy.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (old, _) = bus.watch(scene(1), 0).await.unwrap();
    // The pod sends nothing else while the subscription of another scene isn't confirmed.
    proxy.hold_responses_after(subscribe_command(scene(2)));
    let other = tokio::spawn({
        let bus = bus.clone();
        async move { bus.watch(scene(2), 0).await }
    });
    proxy.until_seen(1, Direction::ToClient, &redis_name(scene(2))).await;
    drop(old);
    let reconnected = tokio::spawn({
        let bus = bus.clone();
        async move { bus.watch(scene(1), 0).await }
    });
    until("the page is back", async || bus.watched_scenes() == 2).await;
    proxy.set_mode(Direction::ToClient, ProxyMode::Pass);
    let (mut watch, _) = reconnected.await.unwrap().unwrap();
    let _other = other.await.unwrap().unwrap();
    assert_eq!((subscribers(&server).await, calls(&server, "sunsubscribe").await), (1, 0));
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
}

#[tokio::test]
async fn confirmations_that_are_out_of_step_are_noticed_and_mended() {
    let server = RedisServer::start().await;
    // The client expects no answer to an unsubscribe. So it takes the refusal for the answer to the next subscribe.
    server.add_user("no-unsubscribe", "password", "~* &* +@all -sunsubscribe").await;
    let proxy = RecordingProxy::start(&server).await;
    let (bus, metrics) = pod(&proxy.url_for("no-unsubscribe", "password"));
    let (callback, _) = callback(&server.url());
    for n in 1..=4 {
        callback.open(scene(n), &opening()).await.unwrap();
    }
    let (leaving, _) = bus.watch(scene(1), 0).await.unwrap();
    let watch = |n| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.watch(scene(n), 0).await })
    };
    // The pod sends nothing else while the subscription of another scene isn't confirmed. Then it sends all that
    // has to be sent, in one batch.
    proxy.hold_responses_after(subscribe_command(scene(4)));
    let mut pending = vec![watch(4)];
    proxy.until_seen(1, Direction::ToClient, &redis_name(scene(4))).await;
    drop(leaving);
    pending.extend([watch(2), watch(3)]);
    until("both pages wait", async || bus.watched_scenes() == 3).await;
    proxy.set_mode(Direction::ToClient, ProxyMode::Pass);
    let mut watches = vec![];
    for watch in pending {
        watches.push(watch.await.unwrap().unwrap().0);
    }
    for (n, watch) in [4, 2, 3].into_iter().zip(&mut watches) {
        apply(&callback, scene(n), "scan", &scan("ann")).await;
        assert_eq!(next_event_kind(watch).await, "scanned");
    }
    assert!(metrics.text().contains("scenecast_catch_ups_total{cause=\"reconnect\"} 2"), "{}", metrics.text());
}

#[tokio::test]
async fn subscriptions_that_redis_ends_silently_are_noticed_and_made_again() {
    let cluster = RedisCluster::start_with(3, 0).await;
    let (bus, metrics) = pod(&cluster.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let plan = cluster.plan_move(&redis_name(scene(1))).await;
    // A node that is told again that it owns a slot ends all subscriptions in that slot.
    cluster.end_move_at(plan.from, SlotMove { to: plan.from, ..plan }).await;
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert!(metrics.text().contains("scenecast_catch_ups_total{cause=\"vanished\"} 1"), "{}", metrics.text());
}

#[tokio::test]
async fn when_a_slot_has_moved_its_scenes_catch_up_because_the_topology_says_so() {
    let cluster = RedisCluster::start_with(3, 0).await;
    let (bus, metrics) = pod(&cluster.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let moves = || {
        let text = metrics.text();
        let line = text.lines().find_map(|line| line.strip_prefix("scenecast_catch_ups_total{cause=\"move\"} "));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let before = moves();
    let plan = cluster.plan_move(&redis_name(scene(1))).await;
    cluster.begin_move(plan).await;
    cluster.move_keys(plan).await;
    cluster.end_move(plan).await;
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    // The comparison of counts would find this loss, too, but up to three seconds later.
    until("the move causes a catch-up", async || moves() > before).await;
}

/// The bytes of the command that subscribes to this scene.
fn subscribe_command(scene: SceneId) -> String {
    format!("SSUBSCRIBE\r\n$25\r\n{}", redis_name(scene))
}

/// The number of subscribers of the first scene at the server.
async fn subscribers(server: &RedisServer) -> usize {
    let count = server.cli(&["PUBSUB", "SHARDNUMSUB", &redis_name(scene(1))]).await.unwrap();
    count.lines().last().unwrap().parse().unwrap()
}

/// How many times the server has run this command.
async fn calls(server: &RedisServer, command: &str) -> usize {
    let stats = server.cli(&["INFO", "commandstats"]).await.unwrap();
    let calls = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}
