//! Redis away, slow, restarted or emptied, and what is undecided then.

use std::time::Duration;

use scenecast_bus::{BusError, Notice, Watch};
use scenecast_scene::{Opening, SceneId, Settled, Transition};
use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisServer};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::fixtures::{
    Bus, LIFE, PATIENCE, any_notice, apply, callback, cause, each, heard, hears_nothing, hold, name, notice, opening,
    pod, scan, scene, settle_again, until,
};

/// As many as one pod may well hold.
const MANY: u128 = 5_000;
/// No answer later than this, whatever happens to Redis: a command's two seconds, and some for a busy machine.
const AT_MOST: Duration = Duration::from_millis(3_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_scenes_are_held_through_a_restart_with_its_data() {
    let mut server = RedisServer::start().await;
    let wire = RecordingProxy::to(&server).await;
    let (here, metrics) = pod(&wire.url());
    let mut watches = hold(MANY, &here).await;
    wire.close();
    server.stop().await;
    server.restart().await;
    let (there, _) = callback(&server.url());
    each(MANY, |n| settle_again(&there, scene(n), "scan", scan("ann"))).await;
    wire.mend();
    for watch in &mut watches {
        assert_eq!(heard(watch).await, "scanned");
    }
    assert_eq!(channels(&server).await, watches.len());
    each(MANY, |n| settle_again(&there, scene(n), "give up", Transition::Cancel)).await;
    for watch in &mut watches {
        assert_eq!(heard(watch).await, "cancelled");
        hears_nothing(watch);
    }
    let in_flight = wire.most_in_flight("SSUBSCRIBE", "ssubscribe");
    assert!((2..=512).contains(&in_flight), "{in_flight} subscribes at a time");
    assert!(metrics.text().contains("scenecast_catch_ups_total{cause=\"reconnect\"}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_scenes_that_redis_lost_are_opened_again_for_what_is_left_of_them() {
    let mut server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    let opened = Instant::now();
    let mut watches = hold(MANY, &bus).await;
    server.restart_empty().await;
    for watch in &mut watches {
        assert_eq!(notice(watch).await, Notice::SceneLost);
    }
    // Many at a time: who isn't open again by the next sweep is told once more.
    let bus = &bus;
    each(MANY, |n| async move {
        let rest = Opening { life: LIFE.saturating_sub(opened.elapsed()), ..opening() };
        assert!(bus.open(scene(n), &rest).await.unwrap());
        assert!(bus.read(scene(n)).await.unwrap().unwrap().remaining <= rest.life);
    })
    .await;
    each(MANY, |n| settle_again(bus, scene(n), "scan", scan("ann"))).await;
    for watch in &mut watches {
        assert_eq!(heard(watch).await, "scanned");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_subscribed_again_in_time_is_subscribed_later() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::to(&server).await;
    let (here, there) = (pod(&wire.url()).0, callback(&server.url()).0);
    let mut watches = hold(1_000, &here).await;
    wire.close();
    wire.forget();
    wire.hold_answers_to("SSUBSCRIBE");
    wire.mend();
    // The first chunk has failed on a connection that stands, and is asked for again.
    wire.until_seen(513, Direction::ToServer, "SSUBSCRIBE").await;
    wire.flow(Direction::ToClient, ProxyMode::Pass);
    until("all are subscribed", async || channels(&server).await == watches.len()).await;
    each(1_000, |n| settle_again(&there, scene(n), "scan", scan("ann"))).await;
    for watch in &mut watches {
        assert_eq!(heard(watch).await, "scanned");
    }
}

#[tokio::test]
async fn watchers_are_told_that_redis_is_away_and_that_it_is_back() {
    let mut server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    for _ in 0..2 {
        server.stop().await;
        let since = Instant::now();
        assert_eq!(any_notice(&mut watch).await, Notice::Interrupted);
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
        server.restart().await;
        assert_eq!(any_notice(&mut watch).await, Notice::Resumed);
    }
    settle_again(&bus, scene(1), "scan", scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
}

#[tokio::test]
async fn what_is_asked_before_redis_is_there_is_undecided_and_works_once_it_is() {
    let mut server = RedisServer::start().await;
    server.stop().await;
    let (bus, _) = pod(&server.url());
    let (opening, cause, scan) = (opening(), cause("scan"), scan("ann"));
    let (opened, settled, watched, read) = tokio::join!(
        timeout(AT_MOST, bus.open(scene(1), &opening)),
        timeout(AT_MOST, bus.settle(scene(1), &cause, &scan)),
        timeout(AT_MOST, bus.watch(scene(1), 0)),
        timeout(AT_MOST, bus.read(scene(1))),
    );
    assert!(matches!(opened.unwrap(), Err(BusError::Undecided(_) | BusError::TimedOut)));
    assert!(matches!(settled.unwrap(), Err(BusError::Undecided(_) | BusError::TimedOut)));
    assert!(matches!(watched.unwrap(), Err(BusError::Undecided(_) | BusError::TimedOut)));
    assert!(matches!(read.unwrap(), Err(BusError::Undecided(_) | BusError::TimedOut)));
    server.restart().await;
    until("it works", async || bus.open(scene(1), &opening).await.is_ok()).await;
    let mut watch = watch_again(&bus, scene(1)).await;
    settle_again(&bus, scene(1), "scan", scan).await;
    assert_eq!(heard(&mut watch).await, "scanned");
}

#[tokio::test]
async fn a_settle_that_a_frozen_redis_left_undecided_can_be_repeated() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    server.pause();
    let settled = timeout(AT_MOST, bus.settle(scene(1), &cause("scan"), &scan("ann"))).await.unwrap();
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    server.resume();
    settle_again(&bus, scene(1), "scan", scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
    hears_nothing(&mut watch);
}

#[tokio::test]
async fn a_settle_whose_answer_was_lost_is_repeated_and_not_refused() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::to(&server).await;
    let (here, there) = (callback(&wire.url()).0, callback(&server.url()).0);
    here.open(scene(1), &opening()).await.unwrap();
    // So that the script is known, and one command is all it takes.
    settle_again(&here, scene(1), "scan", scan("ann")).await;
    wire.flow(Direction::ToClient, ProxyMode::Swallow);
    let settled = here.settle(scene(1), &cause("give up"), &Transition::Cancel).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    let again = there.settle(scene(1), &cause("give up"), &Transition::Cancel).await;
    assert!(matches!(again, Ok(Settled::Repeated(_))), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_queue_holds_when_redis_dies_is_undecided_and_it_works_afterwards() {
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
    settle_again(&bus, scene(1), "scan", scan("ann")).await;
}

#[tokio::test]
async fn a_connection_that_carries_nothing_any_more_is_replaced() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::to(&server).await;
    let (here, there) = (pod(&wire.url()).0, callback(&server.url()).0);
    here.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = here.watch(scene(1), 0).await.unwrap();
    wire.stall();
    apply(&there, scene(1), "scan", &scan("ann")).await;
    // A pod whose settles go on all the time has to notice, too.
    settle_again(&here, scene(1), "give up", Transition::Cancel).await;
    assert_eq!([heard(&mut watch).await, heard(&mut watch).await], ["scanned", "cancelled"]);
}

#[tokio::test]
async fn a_primary_that_is_silent_keeps_nobody_of_another_waiting() {
    let (here, silent) = tokio::join!(RedisServer::start(), RedisServer::start());
    let (bus, _) = pod(&format!("redis-shards://127.0.0.1:{}?node=127.0.0.1:{}", here.port(), silent.port()));
    let (mut well, mut ill) = (vec![], vec![]);
    for scene in (0..64).map(scene) {
        bus.open(scene, &opening()).await.unwrap();
        let is_here = here.cli(&["EXISTS", &name(scene)]).await.unwrap() == "1";
        if is_here { &mut well } else { &mut ill }.push(scene);
    }
    silent.pause();
    let waiting: Vec<_> = ill
        .into_iter()
        .map(|scene| {
            let bus = bus.clone();
            tokio::spawn(async move { watch_again(&bus, scene).await })
        })
        .collect();
    for scene in well {
        let (mut watch, _) = bus.watch(scene, 0).await.expect("it is confirmed in time");
        apply(&bus, scene, "scan", &scan("ann")).await;
        assert_eq!(heard(&mut watch).await, "scanned");
    }
    silent.resume();
    for watch in waiting {
        timeout(PATIENCE, watch).await.expect("it is watched in the end").unwrap();
    }
}

#[tokio::test]
async fn a_wait_for_replicas_whose_connection_is_cut_acknowledges_nothing() {
    let server = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&server).await;
    let (bus, _) = callback(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    settle_again(&bus, scene(1), "scan", scan("ann")).await;
    replica.pause();
    let settling = tokio::spawn(async move { bus.settle(scene(1), &cause("give up"), &Transition::Cancel).await });
    let waits = async || {
        let clients = server.cli(&["CLIENT", "LIST"]).await.unwrap();
        let waits = clients.lines().find(|client| client.contains("cmd=wait") && client.contains("flags=b"));
        waits.and_then(|client| Some(client.strip_prefix("id=")?.split(' ').next()?.to_owned()))
    };
    until("it waits", async || waits().await.is_some()).await;
    let id = waits().await.expect("it still waits");
    server.cli(&["CLIENT", "KILL", "ID", &id]).await.unwrap();
    // On the next connection, which wrote nothing, WAIT would count the replica.
    let settled = settling.await.unwrap();
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    replica.resume();
}

async fn watch_again(bus: &Bus, scene: SceneId) -> Watch {
    loop {
        if let Ok((watch, _)) = bus.watch(scene, 0).await {
            return watch;
        }
    }
}

/// How many channels are subscribed, says the server.
async fn channels(server: &RedisServer) -> usize {
    server.cli(&["PUBSUB", "SHARDCHANNELS"]).await.unwrap().lines().filter(|line| !line.is_empty()).count()
}
