//! Redis is away, slow, restarted or emptied. Calls are undecided then, and watchers catch up later.

use std::time::Duration;

use scenecast_bus::{BusError, Notice, Watch};
use scenecast_scene::{NewScene, SceneId, Settled, Transition};
use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisServer};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::fixtures::{
    SCENE_LIFE, TestBus, WAIT_LIMIT, apply, assert_no_notice, callback, cause, for_each_scene, next_event_kind,
    next_notice, next_notice_of_any_kind, open_and_watch, opening, pod, redis_name, scan, scene, settle_until_answered,
    until,
};

/// About as many scenes as one pod holds.
const MANY: u128 = 5_000;
/// Every call must return within this time, whatever happens to Redis: two seconds for a command, and some more for a
/// busy machine.
const ANSWER_LIMIT: Duration = Duration::from_millis(3_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_of_five_thousand_scenes_survive_a_restart_of_redis_with_its_data() {
    let mut server = RedisServer::start().await;
    let proxy = RecordingProxy::start(&server).await;
    let (gateway, metrics) = pod(&proxy.url());
    let mut watches = open_and_watch(MANY, &gateway).await;
    proxy.refuse_connections();
    server.stop().await;
    server.restart().await;
    let (callback, _) = callback(&server.url());
    for_each_scene(MANY, |n| settle_until_answered(&callback, scene(n), "scan", scan("ann"))).await;
    proxy.accept_again();
    for watch in &mut watches {
        assert_eq!(next_event_kind(watch).await, "scanned");
    }
    assert_eq!(subscribed_channels(&server).await, watches.len());
    for_each_scene(MANY, |n| settle_until_answered(&callback, scene(n), "give up", Transition::Cancel)).await;
    for watch in &mut watches {
        assert_eq!(next_event_kind(watch).await, "cancelled");
        assert_no_notice(watch);
    }
    let in_flight = proxy.max_in_flight("SSUBSCRIBE", "$10\r\nssubscribe");
    assert!((2..=512).contains(&in_flight), "{in_flight} subscribes at the same time");
    assert!(metrics.text().contains("scenecast_catch_ups_total{cause=\"reconnect\"}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_scenes_that_redis_lost_are_opened_again_for_the_rest_of_their_life() {
    let mut server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    let opened = Instant::now();
    let mut watches = open_and_watch(MANY, &bus).await;
    server.restart_empty().await;
    for watch in &mut watches {
        assert_eq!(next_notice(watch).await, Notice::SceneLost);
    }
    // Many at a time: the next sweep would report each scene as lost again that isn't open by then.
    let bus = &bus;
    for_each_scene(MANY, |n| async move {
        let remaining = NewScene { life: SCENE_LIFE.saturating_sub(opened.elapsed()), ..opening() };
        assert!(bus.open(scene(n), &remaining).await.unwrap());
        assert!(bus.read(scene(n)).await.unwrap().unwrap().remaining <= remaining.life);
    })
    .await;
    for_each_scene(MANY, |n| settle_until_answered(bus, scene(n), "scan", scan("ann"))).await;
    for watch in &mut watches {
        assert_eq!(next_event_kind(watch).await, "scanned");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscribe_that_timed_out_is_tried_again() {
    let server = RedisServer::start().await;
    let proxy = RecordingProxy::start(&server).await;
    let (gateway, _) = pod(&proxy.url());
    let (callback, _) = callback(&server.url());
    let mut watches = open_and_watch(1_000, &gateway).await;
    proxy.refuse_connections();
    proxy.clear_recording();
    proxy.hold_responses_after("SSUBSCRIBE");
    proxy.accept_again();
    // The first chunk of 512 has timed out, although the connection is up, and is sent again.
    proxy.until_seen(513, Direction::ToServer, "SSUBSCRIBE").await;
    proxy.set_mode(Direction::ToClient, ProxyMode::Pass);
    until("all scenes are subscribed", async || subscribed_channels(&server).await == watches.len()).await;
    for_each_scene(1_000, |n| settle_until_answered(&callback, scene(n), "scan", scan("ann"))).await;
    for watch in &mut watches {
        assert_eq!(next_event_kind(watch).await, "scanned");
    }
}

#[tokio::test]
async fn watchers_are_told_when_redis_is_away_and_when_it_is_back() {
    let mut server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    for _ in 0..2 {
        server.stop().await;
        let stopped = Instant::now();
        assert_eq!(next_notice_of_any_kind(&mut watch).await, Notice::Interrupted);
        assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
        server.restart().await;
        assert_eq!(next_notice_of_any_kind(&mut watch).await, Notice::Resumed);
    }
    settle_until_answered(&bus, scene(1), "scan", scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
}

#[tokio::test]
async fn calls_before_redis_has_started_are_undecided_and_succeed_once_it_has() {
    let mut server = RedisServer::start().await;
    server.stop().await;
    let (bus, _) = pod(&server.url());
    let opening = opening();
    let cause = cause("scan");
    let scan = scan("ann");
    let (opened, settled, watched, read) = tokio::join!(
        timeout(ANSWER_LIMIT, bus.open(scene(1), &opening)),
        timeout(ANSWER_LIMIT, bus.settle(scene(1), &cause, &scan)),
        timeout(ANSWER_LIMIT, bus.watch(scene(1), 0)),
        timeout(ANSWER_LIMIT, bus.read(scene(1))),
    );
    assert!(matches!(opened.unwrap(), Err(BusError::Undecided(_) | BusError::TimedOut)));
    assert!(matches!(settled.unwrap(), Err(BusError::Undecided(_) | BusError::TimedOut)));
    assert!(matches!(watched.unwrap(), Err(BusError::Undecided(_) | BusError::TimedOut)));
    assert!(matches!(read.unwrap(), Err(BusError::Undecided(_) | BusError::TimedOut)));
    server.restart().await;
    until("a scene can be opened", async || bus.open(scene(1), &opening).await.is_ok()).await;
    let mut watch = watch_until_confirmed(&bus, scene(1)).await;
    settle_until_answered(&bus, scene(1), "scan", scan).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
}

#[tokio::test]
async fn a_settle_that_a_frozen_redis_left_undecided_can_be_repeated() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    server.pause();
    let settled = timeout(ANSWER_LIMIT, bus.settle(scene(1), &cause("scan"), &scan("ann"))).await.unwrap();
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    server.resume();
    settle_until_answered(&bus, scene(1), "scan", scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert_no_notice(&mut watch);
}

#[tokio::test]
async fn a_settle_whose_answer_was_lost_is_repeated_and_not_refused() {
    let server = RedisServer::start().await;
    let proxy = RecordingProxy::start(&server).await;
    let (behind_proxy, _) = callback(&proxy.url());
    let (direct, _) = callback(&server.url());
    behind_proxy.open(scene(1), &opening()).await.unwrap();
    // Now Redis knows the script, so the next settle takes only one command.
    settle_until_answered(&behind_proxy, scene(1), "scan", scan("ann")).await;
    proxy.set_mode(Direction::ToClient, ProxyMode::Swallow);
    let settled = behind_proxy.settle(scene(1), &cause("give up"), &Transition::Cancel).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    let again = direct.settle(scene(1), &cause("give up"), &Transition::Cancel).await;
    assert!(matches!(again, Ok(Settled::Repeated(_))), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settles_beyond_the_queue_limit_are_undecided_when_redis_dies_and_work_afterwards() {
    let mut server = RedisServer::start().await;
    let (bus, _) = callback(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    server.pause();
    let flood = (0..40_000).map(|n| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.settle(scene(1), &cause(&format!("{n}")), &scan("ann")).await })
    });
    let flood: Vec<_> = flood.collect();
    until("the queue is full", async || flood.iter().any(JoinHandle::is_finished)).await;
    server.stop().await;
    for settle in flood {
        let settled = settle.await.unwrap();
        assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    }
    server.restart().await;
    settle_until_answered(&bus, scene(1), "scan", scan("ann")).await;
}

#[tokio::test]
async fn a_connection_on_which_no_bytes_arrive_any_more_is_replaced() {
    let server = RedisServer::start().await;
    let proxy = RecordingProxy::start(&server).await;
    let (gateway, _) = pod(&proxy.url());
    let (callback, _) = callback(&server.url());
    gateway.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = gateway.watch(scene(1), 0).await.unwrap();
    proxy.stall();
    apply(&callback, scene(1), "scan", &scan("ann")).await;
    // The pod must notice it even though it keeps sending commands.
    settle_until_answered(&gateway, scene(1), "give up", Transition::Cancel).await;
    assert_eq!([next_event_kind(&mut watch).await, next_event_kind(&mut watch).await], ["scanned", "cancelled"]);
}

#[tokio::test]
async fn a_silent_primary_does_not_delay_the_scenes_of_another_one() {
    let (responsive, silent) = tokio::join!(RedisServer::start(), RedisServer::start());
    let first = responsive.url().replace("redis://", "redis-shards://");
    let (bus, _) = pod(&format!("{first}?node=127.0.0.1:{}", silent.port()));
    let mut on_responsive = vec![];
    let mut on_silent = vec![];
    for scene in (0..64).map(scene) {
        bus.open(scene, &opening()).await.unwrap();
        if responsive.cli(&["EXISTS", &redis_name(scene)]).await.unwrap() == "1" {
            on_responsive.push(scene);
        } else {
            on_silent.push(scene);
        }
    }
    silent.pause();
    let waiting: Vec<_> = on_silent
        .into_iter()
        .map(|scene| {
            let bus = bus.clone();
            tokio::spawn(async move { watch_until_confirmed(&bus, scene).await })
        })
        .collect();
    for scene in on_responsive {
        let (mut watch, _) = bus.watch(scene, 0).await.expect("the subscription is confirmed in time");
        apply(&bus, scene, "scan", &scan("ann")).await;
        assert_eq!(next_event_kind(&mut watch).await, "scanned");
    }
    silent.resume();
    for watch in waiting {
        timeout(WAIT_LIMIT, watch).await.expect("the scene is watched once its primary answers").unwrap();
    }
}

#[tokio::test]
async fn a_wait_for_replicas_whose_connection_is_cut_acknowledges_nothing() {
    let server = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&server).await;
    let (bus, _) = callback(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    settle_until_answered(&bus, scene(1), "scan", scan("ann")).await;
    replica.pause();
    let settling = tokio::spawn(async move { bus.settle(scene(1), &cause("give up"), &Transition::Cancel).await });
    let waits = async || {
        let clients = server.cli(&["CLIENT", "LIST"]).await.unwrap();
        let waits = clients.lines().find(|client| client.contains("cmd=wait") && client.contains("flags=b"));
        waits.and_then(|client| Some(client.strip_prefix("id=")?.split(' ').next()?.to_owned()))
    };
    until("the pod waits for the replica", async || waits().await.is_some()).await;
    let id = waits().await.expect("the pod still waits");
    server.cli(&["CLIENT", "KILL", "ID", &id]).await.unwrap();
    // On another connection, which wrote nothing, WAIT would count the replica at once.
    let settled = settling.await.unwrap();
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    replica.resume();
}

async fn watch_until_confirmed(bus: &TestBus, scene: SceneId) -> Watch {
    loop {
        if let Ok((watch, _)) = bus.watch(scene, 0).await {
            return watch;
        }
    }
}

/// The number of channels that are subscribed at the server.
async fn subscribed_channels(server: &RedisServer) -> usize {
    server.cli(&["PUBSUB", "SHARDCHANNELS"]).await.unwrap().lines().filter(|line| !line.is_empty()).count()
}
