//! Primaries of a Cluster die, freeze, and fail over.

use scenecast_bus::BusError;
use scenecast_scene::Settled;
use scenecast_testing::RedisCluster;

use crate::{
    faults::{Logins, delivery, login},
    fixtures::{cause, redis_name, scene},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_while_a_primary_dies_and_its_replica_is_promoted() {
    let mut cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 600).await;
    let replica = cluster.replica_of(0).await;
    logins.log_in(0..100).await;
    tokio::join!(logins.log_in(100..400), cluster.node_mut(0).stop());
    cluster.until_primary(replica).await;
    cluster.node_mut(0).restart().await;
    logins.log_in(400..600).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_while_a_replica_is_promoted_and_the_primary_takes_over_again() {
    let cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 600).await;
    let replica = cluster.replica_of(0).await;
    tokio::join!(logins.log_in(0..200), cluster.fail_over_to(replica));
    logins.log_in(200..300).await;
    tokio::join!(logins.log_in(300..500), cluster.fail_over_to(0));
    logins.log_in(500..600).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settle_that_no_replica_has_is_undecided_and_is_settled_again_after_the_failover() {
    const LOGINS: u128 = 60;
    let mut cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, LOGINS).await;
    let replica = cluster.replica_of(0).await;
    cluster.node(0).disconnect_replicas().await;
    let mut settles = vec![];
    let mut on_first_primary = vec![];
    for n in 0..LOGINS {
        if cluster.primary_of(RedisCluster::slot_of(&redis_name(scene(n)))).await == 0 {
            on_first_primary.push(n);
            let callback = logins.callback.clone();
            settles.push(tokio::spawn(async move { callback.settle(scene(n), &cause(&delivery(n)), &login(n)).await }));
        }
    }
    for settle in settles {
        let settled = settle.await.unwrap();
        assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    }
    cluster.node_mut(0).stop().await;
    cluster.until_primary(replica).await;
    let settled = logins.log_in(0..LOGINS).await;
    for n in on_first_primary {
        let settled = &settled[usize::try_from(n).unwrap()];
        assert!(matches!(settled, Settled::Applied(_)), "the replica had the first settle after all: {settled:?}");
    }
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settle_that_no_replica_has_is_accepted_once_the_replica_is_back() {
    let cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 1).await;
    let primary = cluster.node(cluster.primary_of(RedisCluster::slot_of(&redis_name(scene(0)))).await);
    primary.disconnect_replicas().await;
    let settled = logins.callback.settle(scene(0), &cause(&delivery(0)), &login(0)).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    primary.allow_replicas().await;
    let settled = logins.log_in(0..1).await;
    assert!(matches!(settled[..], [Settled::Repeated(_)]), "{settled:?}");
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_login_is_lost_when_a_frozen_primary_wakes_up_after_its_failover() {
    let cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 400).await;
    let replica = cluster.replica_of(0).await;
    cluster.node(0).pause();
    logins.log_in(0..200).await;
    cluster.until_primary(replica).await;
    cluster.node(0).resume();
    logins.log_in(200..400).await;
    cluster.until_ok().await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_survive_while_the_whole_cluster_is_away() {
    let mut cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 400).await;
    for node in 0..cluster.nodes().len() {
        cluster.node_mut(node).stop().await;
    }
    let settled = logins.callback.settle(scene(0), &cause(&delivery(0)), &login(0)).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    for node in 0..cluster.nodes().len() {
        cluster.node_mut(node).restart().await;
    }
    logins.log_in(0..400).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configured_node_may_die_once_the_other_nodes_are_known() {
    let mut cluster = RedisCluster::start().await;
    let replica = cluster.replica_of(0).await;
    let one_node = cluster.node(0).url().replace("redis://", "redis-cluster://");
    let mut logins = Logins::start(&one_node, 100).await;
    cluster.node_mut(0).stop().await;
    cluster.until_primary(replica).await;
    logins.log_in(0..100).await;
    logins.assert_all_logged_in().await;
}
