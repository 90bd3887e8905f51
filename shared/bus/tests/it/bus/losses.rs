//! Redis is emptied, or comes back empty: pages have their scenes opened again soon, and phones hear nothing final
//! meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use scenecast_bus::{BusError, Notice, Store, StoreError, Watch};
use scenecast_metrics::Metrics;
use scenecast_redis::{Redis, RedisErrorKind};
use scenecast_scene::Settled;
use scenecast_testing::{CALLBACK_PASSWORD, GATEWAY_PASSWORD, RedisServer, until};
use tokio::time::timeout;

use crate::fixtures::{
    TestBus, apply, callback, cause, next_event_kind, next_notice, opening, pod, redis_name, scan, scene,
    settle_until_answered,
};

/// The sweep would notice after up to two minutes.
const SOON: Duration = Duration::from_secs(6);

/// How a scene that isn't there is settled.
async fn settle_missing(callback: &TestBus) -> Result<Settled, BusError> {
    callback.settle(scene(404), &cause("scan"), &scan("ann")).await
}

fn is_recent_loss(settled: &Result<Settled, BusError>) -> bool {
    matches!(settled, Err(BusError::Undecided(error)) if error.kind() == RedisErrorKind::RecentLoss)
}

fn pods(server: &RedisServer) -> (TestBus, TestBus) {
    let (gateway, _) = pod(&server.url_for("gateway", GATEWAY_PASSWORD));
    let (callback, _) = callback(&server.url_for("callback", CALLBACK_PASSWORD));
    (gateway, callback)
}

/// A page that waits on scene 1, and a callback. The gateway has looked at Redis twice, so it knows what was there.
async fn waiting_page(server: &RedisServer) -> (Watch, TestBus) {
    let (gateway, callback) = pods(server);
    callback.open(scene(1), &opening()).await.unwrap();
    let (watch, mailbox) = gateway.watch(scene(1), 0).await.unwrap();
    assert!(mailbox.is_some());
    until("the gateway has looked at Redis", async || server.usage().await.calls("client|info") > 1).await;
    (watch, callback)
}

#[tokio::test]
async fn a_new_scene_that_redis_has_lost_before_it_was_watched_is_told_of_soon() {
    let server = RedisServer::start().await;
    let (gateway, callback) = pods(&server);
    // Its connections are up, so that none that comes up later has it read everything.
    gateway.watch(scene(1), 0).await.unwrap();
    let mut lost = gateway.watch_unseen(scene(404)).await.unwrap();
    let notice = timeout(SOON, next_notice(&mut lost)).await.expect("the sweep reads new scenes first");
    assert_eq!(notice, Notice::SceneLost);
    callback.open(scene(404), &opening()).await.unwrap();
    apply(&callback, scene(404), "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut lost).await, "scanned");
}

#[tokio::test]
async fn a_new_scene_is_read_without_being_subscribed_again_though_redis_tells_no_count() {
    let server = RedisServer::start().await;
    server.add_user("no-count", "password", "~* &* +@all -client|info").await;
    let (gateway, _) = pod(&server.url_for("no-count", "password"));
    gateway.watch(scene(1), 0).await.unwrap();
    let before = server.usage().await;
    let _watch = gateway.watch_unseen(scene(2)).await.unwrap();
    until("the sweep reads the new scene", async || (server.usage().await - before.clone()).calls("hmget") > 0).await;
    assert_eq!((server.usage().await - before).calls("ssubscribe"), 1);
}

#[tokio::test]
async fn a_page_learns_within_seconds_that_redis_was_emptied() {
    for command in [&["FLUSHALL"][..], &["FLUSHALL", "ASYNC"], &["FLUSHDB"], &["SWAPDB", "0", "1"]] {
        let server = RedisServer::start().await;
        let (mut watch, callback) = waiting_page(&server).await;
        server.cli(command).await.unwrap();
        let notice = timeout(SOON, next_notice(&mut watch)).await;
        assert_eq!(notice.as_ref(), Ok(&Notice::SceneLost), "{command:?}");
        // It is opened again, as the gateway has it done, and goes on.
        callback.open(scene(1), &opening()).await.unwrap();
        settle_until_answered(&callback, scene(1), "scan", scan("ann")).await;
        assert_eq!(next_event_kind(&mut watch).await, "scanned");
    }
}

/// The connection that subscribes stays, and so nothing else tells.
#[tokio::test]
async fn a_page_learns_within_seconds_that_redis_was_emptied_while_the_connection_for_commands_was_away() {
    let server = RedisServer::start().await;
    let (mut watch, _) = waiting_page(&server).await;
    server.kill_clients("TYPE normal SKIPME yes").await;
    server.cli(&["FLUSHALL"]).await.unwrap();
    let notice = timeout(SOON, next_notice(&mut watch)).await;
    assert_eq!(notice, Ok(Notice::SceneLost));
}

/// A primary that was a replica for a moment has what its primary had, and the connections to it stayed.
#[tokio::test]
async fn a_page_learns_within_seconds_that_redis_has_another_history() {
    let server = RedisServer::start().await;
    let (mut watch, _) = waiting_page(&server).await;
    server.cli(&["DEL", &redis_name(scene(1))]).await.unwrap();
    // Redis begins another history, too, when it gets its first replica.
    let _replica = RedisServer::start_replica_of(&server).await;
    let notice = timeout(SOON, next_notice(&mut watch)).await;
    assert_eq!(notice, Ok(Notice::SceneLost));
}

#[tokio::test]
async fn a_scene_is_not_called_unknown_right_after_redis_was_emptied() {
    let server = RedisServer::start().await;
    let (_, callback) = pods(&server);
    assert_eq!(settle_missing(&callback).await, Ok(Settled::Unknown));
    assert_eq!(callback.snapshot(scene(404)).await, Ok(None));
    for command in [&["FLUSHALL"][..], &["EVAL", "redis.call('FLUSHDB')", "0"]] {
        server.cli(command).await.unwrap();
        let settled = settle_missing(&callback).await;
        assert!(is_recent_loss(&settled), "{command:?}: {settled:?}");
        assert!(callback.snapshot(scene(404)).await.is_err(), "{command:?}");
    }
    until("the loss is long ago", async || settle_missing(&callback).await == Ok(Settled::Unknown)).await;
}

#[tokio::test]
async fn a_stored_value_is_not_called_missing_right_after_redis_was_emptied() {
    let server = RedisServer::start().await;
    let url = server.url_for("callback", CALLBACK_PASSWORD);
    let store = Store::over(Some(Redis::connect(&url.parse().unwrap(), &Metrics::new())));
    let life = Duration::from_secs(60);
    assert_eq!(store.find("code:demo:1").await, Ok(None));
    assert_eq!(store.get_once("pending:demo:ann", "first", life).await, Ok(None));
    server.cli(&["FLUSHALL"]).await.unwrap();
    let is_loss = |error: &StoreError| matches!(error, StoreError::Undecided(error) if error.kind() == RedisErrorKind::RecentLoss);
    assert!(store.find("code:demo:1").await.is_err_and(|error| is_loss(&error)));
    assert!(store.get_once("pending:demo:ann", "second", life).await.is_err_and(|error| is_loss(&error)));
}

#[tokio::test]
async fn a_scene_is_not_called_unknown_right_after_redis_came_back() {
    let mut server = RedisServer::start().await;
    let (_, callback) = pods(&server);
    assert_eq!(settle_missing(&callback).await, Ok(Settled::Unknown));
    server.restart_empty().await;
    let mut settled = settle_missing(&callback).await;
    while matches!(&settled, Err(BusError::Undecided(error)) if error.kind() == RedisErrorKind::NoAnswer) {
        settled = settle_missing(&callback).await;
    }
    assert!(is_recent_loss(&settled), "{settled:?}");
}

#[tokio::test]
async fn what_is_put_at_the_same_time_asks_once_for_losses() {
    const AT_A_TIME: u64 = 500;
    let server = RedisServer::start().await;
    let url = server.url_for("callback", CALLBACK_PASSWORD).parse().unwrap();
    let store = Store::over(Some(Redis::connect(&url, &Metrics::new())));
    let put = async |n: u64| store.put_once(&format!("replay:{n}"), "body", Duration::from_secs(9)).await;
    assert_eq!(put(0).await.unwrap().0, None);
    let before = server.usage().await.calls("info");
    let stored = join_all((1..=AT_A_TIME).map(put)).await;
    assert!(stored.iter().all(|stored| matches!(stored, Ok((None, _)))), "{stored:?}");
    let asked = server.usage().await.calls("info") - before;
    assert!(0 < asked && asked < AT_A_TIME / 5, "{asked}");
}
