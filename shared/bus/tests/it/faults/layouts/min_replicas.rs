//! All replicas of a primary are down, and one of them may be promoted when they return.

use std::time::Duration;

use scenecast_bus::{BusConfig, BusError, SceneWriter};
use scenecast_metrics::Metrics;
use scenecast_redis::{MinReplicas, Redis, RedisAddress};
use scenecast_scene::Settled;
use scenecast_testing::{RedisCluster, RedisSentinels, RedisServer, until};

use crate::{
    faults::{Logins, delivery, login},
    fixtures::{cause, opening, redis_name, scene, settle_until_answered},
};

fn is_undecided(settled: &Result<Settled, BusError>) -> bool {
    matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut))
}

/// Settles one page's login at a callback that goes on without replicas, until it is accepted.
async fn log_in_without_replicas(url: &str, page: u128) {
    let address = url.parse::<RedisAddress>().unwrap().requiring(MinReplicas::AtLeast(0));
    let callback = SceneWriter::over(&Redis::connect(&address, &Metrics::new()));
    until("a login is accepted without replicas", async || {
        callback.settle(scene(page), &cause(&delivery(page)), &login(page)).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_sentinel_no_login_is_accepted_while_all_replicas_are_down() {
    let mut sentinels = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&sentinels, 20).await;
    logins.log_in(0..1).await;
    for replica in [1, 2] {
        sentinels.server(replica).pause();
    }
    let given_up = async {
        for sentinel in 0..3 {
            for replica in [1, 2] {
                sentinels.until_replica_is_down_at(sentinel, replica, Duration::from_secs(8)).await;
            }
        }
    };
    assert_eq!(logins.try_to_log_in(1..10, given_up).await, [0_u128; 0]);
    log_in_without_replicas(&sentinels.url(), 10).await;
    // The primary dies just when the replicas return.
    sentinels.server_mut(0).stop().await;
    for replica in [1, 2] {
        sentinels.server(replica).resume();
    }
    sentinels.until_failed_over(0).await;
    logins.log_in(0..20).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test]
async fn a_replica_that_the_primary_knows_and_no_sentinel_lists_has_to_have_a_login() {
    let sentinels = RedisSentinels::start_with(0).await;
    // So it is for seconds after SENTINEL RESET.
    let replica = RedisServer::start_unannounced_replica_of(sentinels.server(0)).await;
    let mut logins = Logins::under_sentinels(&sentinels, 3).await;
    logins.log_in(0..1).await;
    replica.pause();
    let settled = logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
    assert!(is_undecided(&settled), "{settled:?}");
    log_in_without_replicas(&sentinels.url(), 2).await;
    replica.resume();
    logins.log_in(1..3).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_no_login_is_accepted_while_all_replicas_are_down() {
    let cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 20).await;
    let slot = RedisCluster::slot_of(&redis_name(scene(1)));
    let primary = cluster.primary_of(slot).await;
    let replica = cluster.replica_of(primary).await;
    cluster.node(replica).pause();
    until("the nodes agree that the replica has failed", async || {
        let nodes = cluster.node(primary).cli(&["CLUSTER", "NODES"]).await.unwrap();
        nodes.lines().any(|line| line.contains("slave,fail "))
    })
    .await;
    // The callback has asked the nodes since, so it knows.
    until("the callback knows, and accepts nothing", async || {
        is_undecided(&logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await)
            && is_undecided(&logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await)
            && is_undecided(&logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await)
    })
    .await;
    log_in_without_replicas(&cluster.url(), 1).await;
    cluster.node(replica).resume();
    logins.log_in(0..20).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test]
async fn a_primary_that_nobody_watches_over_accepts_nothing_without_the_replica_that_it_had() {
    let primary = RedisServer::start().await;
    let mut replica = RedisServer::start_replica_of(&primary).await;
    let mut logins = Logins::start(&primary.url(), 3).await;
    until("the callback knows of the replica", async || {
        logins.log_in(0..1).await;
        primary.usage().await.calls("wait") > 0
    })
    .await;
    replica.stop().await;
    until("the primary has lost its replica", async || primary.info("replication").await["connected_slaves"] == "0")
        .await;
    for _ in 0..3 {
        let settled = logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
        assert!(is_undecided(&settled), "{settled:?}");
    }
    log_in_without_replicas(&primary.url(), 2).await;
    replica.restart().await;
    logins.log_in(1..2).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test]
async fn a_number_of_replicas_is_asked_for_wherever_redis_has_none() {
    let server = RedisServer::start().await;
    let config = |min: &str| -> BusConfig {
        serde_json::from_str(&format!("{{ \"url\": \"{}\", \"min_replicas\": {min} }}", server.url())).unwrap()
    };
    let (strict, _) = config("1").connect_writer(&Metrics::new());
    strict.open(scene(1), &opening()).await.unwrap();
    let settled = strict.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
    assert!(is_undecided(&settled), "{settled:?}");
    for min in ["\"auto\"", "0", "\"0\""] {
        let (writer, _) = config(min).connect_writer(&Metrics::new());
        let settled = writer.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
        assert!(matches!(settled, Ok(Settled::Applied(_) | Settled::Repeated(_))), "{min}: {settled:?}");
    }
    for min in ["-1", "1.5", "\"all\"", "true", "101"] {
        let text = format!("{{ \"url\": \"redis://r\", \"min_replicas\": {min} }}");
        assert!(serde_json::from_str::<BusConfig>(&text).is_err(), "{min}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_promoted_by_force_waits_for_its_old_primary() {
    let cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 30).await;
    logins.log_in(0..1).await;
    let slot = RedisCluster::slot_of(&redis_name(scene(1)));
    let primary = cluster.primary_of(slot).await;
    let replica = cluster.replica_of(primary).await;
    // The old primary is alive for the others, and doesn't follow yet.
    for node in cluster.nodes() {
        node.set("cluster-node-timeout", "15000").await;
    }
    cluster.node(primary).pause();
    cluster.node(replica).cli(&["CLUSTER", "FAILOVER", "TAKEOVER"]).await.unwrap();
    until("the callback reads at the new primary", async || logins.callback.snapshot(scene(1)).await.is_ok()).await;
    let settled = logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
    assert!(is_undecided(&settled), "the old primary may be promoted in turn: {settled:?}");
    cluster.node(primary).resume();
    settle_until_answered(&logins.callback, scene(1), &delivery(1), login(1)).await;
    cluster.until_ok().await;
    logins.log_in(2..30).await;
    logins.assert_all_logged_in().await;
}
