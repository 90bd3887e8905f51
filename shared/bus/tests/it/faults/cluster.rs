//! A Cluster's primaries die, freeze, and hand over.

use scenecast_bus::BusError;
use scenecast_scene::Settled;
use scenecast_testing::RedisCluster;

use super::{Logins, delivery, login};
use crate::fixtures::{cause, name, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_while_a_primary_dies_and_its_replica_takes_its_place() {
    let mut cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 600).await;
    let replica = cluster.replica_of(0).await;
    logins.log_in(0..100).await;
    tokio::join!(logins.log_in(100..400), cluster.node_mut(0).stop());
    cluster.until_primary(replica).await;
    cluster.node_mut(0).restart().await;
    logins.log_in(400..600).await;
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_while_a_replica_takes_over_and_hands_back() {
    let cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 600).await;
    let replica = cluster.replica_of(0).await;
    tokio::join!(logins.log_in(0..200), cluster.fail_over_to(replica));
    logins.log_in(200..300).await;
    tokio::join!(logins.log_in(300..500), cluster.fail_over_to(0));
    logins.log_in(500..600).await;
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_replica_has_is_not_accepted_and_is_settled_again_after_the_failover() {
    const LOGINS: u128 = 60;
    let mut cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, LOGINS).await;
    let replica = cluster.replica_of(0).await;
    cluster.node(0).cut_replicas_off().await;
    let (mut unacknowledged, mut on_first) = (vec![], vec![]);
    for n in 0..LOGINS {
        if cluster.primary_of(RedisCluster::slot_of(&name(scene(n)))).await == 0 {
            on_first.push(n);
            let (callback, cause, login) = (logins.callback.clone(), cause(&delivery(n)), login(n));
            unacknowledged.push(tokio::spawn(async move { callback.settle(scene(n), &cause, &login).await }));
        }
    }
    for settle in unacknowledged {
        let settled = settle.await.unwrap();
        assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    }
    cluster.node_mut(0).stop().await;
    cluster.until_primary(replica).await;
    let settled = logins.log_in(0..LOGINS).await;
    for n in on_first {
        let settled = &settled[usize::try_from(n).unwrap()];
        assert!(matches!(settled, Settled::Applied(_)), "the replica had it after all: {settled:?}");
    }
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_replica_has_is_accepted_once_one_is_back() {
    let cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 1).await;
    let primary = cluster.node(cluster.primary_of(RedisCluster::slot_of(&name(scene(0)))).await);
    primary.cut_replicas_off().await;
    let settled = logins.callback.settle(scene(0), &cause(&delivery(0)), &login(0)).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    primary.let_replicas_in().await;
    let settled = logins.log_in(0..1).await;
    assert!(matches!(settled[..], [Settled::Repeated(_)]), "{settled:?}");
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_wakes_up_after_its_failover_has_accepted_nothing_that_is_lost() {
    let cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 400).await;
    let replica = cluster.replica_of(0).await;
    cluster.node(0).pause();
    logins.log_in(0..200).await;
    cluster.until_primary(replica).await;
    cluster.node(0).resume();
    logins.log_in(200..400).await;
    cluster.until_ok().await;
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_held_while_the_whole_cluster_is_away() {
    let mut cluster = RedisCluster::start().await;
    let mut logins = Logins::in_cluster(&cluster, 400).await;
    for node in 0..cluster.nodes().len() {
        cluster.node_mut(node).stop().await;
    }
    let away = logins.callback.settle(scene(0), &cause(&delivery(0)), &login(0)).await;
    assert!(matches!(away, Err(BusError::Undecided(_) | BusError::TimedOut)), "{away:?}");
    for node in 0..cluster.nodes().len() {
        cluster.node_mut(node).restart().await;
    }
    logins.log_in(0..400).await;
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_whose_address_was_given_is_not_needed_any_more_once_the_others_are_known() {
    let mut cluster = RedisCluster::start().await;
    let replica = cluster.replica_of(0).await;
    let only = cluster.node(0).url().replace("redis://", "redis-cluster://");
    let mut logins = Logins::at(&only, 100).await;
    cluster.node_mut(0).stop().await;
    cluster.until_primary(replica).await;
    logins.log_in(0..100).await;
    logins.have_all_arrived().await;
}
