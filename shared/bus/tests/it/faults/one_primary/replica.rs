//! A settle is accepted only when the replicas have it, if there are any.

use scenecast_bus::BusError;
use scenecast_metrics::Metrics;
use scenecast_redis::{Redis, RedisErrorKind, Script};
use scenecast_scene::Settled;
use scenecast_testing::{RedisServer, until};

use crate::{
    faults::Logins,
    fixtures::{apply, callback, cause, next_event_kind, opening, pod, redis_name, scan, scene, settle_until_answered},
};

#[tokio::test]
async fn without_replicas_a_settle_does_not_wait_for_any() {
    let server = RedisServer::start().await;
    let (bus, _) = callback(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(server.usage().await.calls("wait"), 0);
}

#[tokio::test]
async fn a_settle_is_accepted_when_the_replica_has_it() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&primary).await;
    let (bus, _) = callback(&primary.url());
    until("the pod knows about the replica", async || {
        bus.open(scene(1), &opening()).await.unwrap();
        let cause = cause("scan");
        bus.settle(scene(1), &cause, &scan("ann")).await.unwrap();
        primary.usage().await.calls("wait") > 0
    })
    .await;
    assert_eq!(replica.cli(&["HGET", &redis_name(scene(1)), "state"]).await.unwrap(), "scanned");
}

#[tokio::test]
async fn a_settle_is_undecided_until_the_replica_has_it() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&primary).await;
    let (bus, _) = pod(&primary.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    replica.pause();
    for _ in ["first", "second"] {
        let settled = bus.settle(scene(1), &cause("scan"), &scan("ann")).await;
        assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    }
    replica.resume();
    let settled = settle_until_answered(&bus, scene(1), "scan", scan("ann")).await;
    assert!(matches!(settled, Settled::Repeated(_)), "{settled:?}");
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
}

/// One that is made a replica loses what the new primary doesn't have. When it is promoted again, its replicas
/// acknowledge whatever it is asked for.
#[tokio::test]
async fn a_write_counts_only_if_its_server_has_been_the_primary_ever_since() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&primary).await;
    let redis = Redis::connect(&primary.url().parse().unwrap(), &Metrics::new());
    let write = Script::new("return redis.call('SET', KEYS[1], 'value')");
    let (_, written) = redis.write(&write, "key", &[]).await.unwrap();
    redis.wait_for_replicas(&written).await.unwrap();
    for role in [["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]] {
        primary.cli(&role).await.unwrap();
    }
    replica.until_in_sync().await;
    let outcome = redis.wait_for_replicas(&written).await;
    assert_eq!(outcome.unwrap_err().kind(), RedisErrorKind::NotAcknowledged);
    until("what is written from then on counts", async || match redis.write(&write, "key", &[]).await {
        Ok((_, written)) => redis.wait_for_replicas(&written).await.is_ok(),
        Err(_) => false,
    })
    .await;
}

#[tokio::test]
async fn many_settles_share_one_wait_for_the_replica() {
    let primary = RedisServer::start().await;
    let _replica = RedisServer::start_replica_of(&primary).await;
    let mut logins = Logins::start(&primary.url(), 500).await;
    logins.log_in(0..500).await;
    let waits = primary.usage().await.calls("wait");
    assert!((1..250).contains(&waits), "{waits} WAIT commands for 500 settles");
    logins.assert_all_logged_in().await;
}

#[tokio::test]
async fn without_sentinels_one_replica_of_two_is_enough() {
    let primary = RedisServer::start().await;
    let replicas = [RedisServer::start_replica_of(&primary).await, RedisServer::start_replica_of(&primary).await];
    let mut logins = Logins::start(&primary.url(), 20).await;
    replicas[0].pause();
    logins.log_in(0..20).await;
    assert!(primary.usage().await.calls("wait") > 0);
    logins.assert_all_logged_in().await;
}

#[tokio::test]
async fn a_settle_that_waits_for_a_replica_does_not_delay_other_commands() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&primary).await;
    let (bus, _) = callback(&primary.url());
    for n in 1..=2 {
        bus.open(scene(n), &opening()).await.unwrap();
    }
    replica.pause();
    let cause = cause("scan");
    let scan = scan("ann");
    let settle = bus.settle(scene(1), &cause, &scan);
    let other_commands = async {
        for _ in 0..20 {
            bus.snapshot(scene(2)).await.unwrap();
        }
    };
    tokio::select! {
        settled = settle => panic!("the settle was answered before the other commands: {settled:?}"),
        () = other_commands => {}
    }
}
