//! A primary is cut off from all its fellows, and pods reach both sides.

use scenecast_testing::{RedisCluster, RedisSentinels, RedisServer};

use super::Logins;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_its_cluster_does_not_reach_accepts_nothing_that_is_lost() {
    let cluster = RedisCluster::start_divisible().await;
    let mut logins = Logins::in_cluster(&cluster, 600).await;
    let replica = cluster.replica_of(0).await;
    cluster.divide(0);
    tokio::join!(logins.log_in(0..300), cluster.until_primary(replica));
    logins.log_in(300..400).await;
    assert_eq!(role(cluster.node(0)).await, "master", "nobody can tell it");
    cluster.reunite();
    logins.log_in(400..600).await;
    cluster.until_ok().await;
    assert_eq!(role(cluster.node(0)).await, "slave");
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_neither_sentinels_nor_replicas_reach_accepts_nothing_that_is_lost() {
    let site = RedisSentinels::start_divisible().await;
    let mut logins = Logins::under_sentinels(&site, 400).await;
    // What was opened before it is on the replicas, too.
    logins.log_in(0..1).await;
    site.divide(0);
    tokio::join!(logins.log_in(1..200), site.until_failed_over(0));
    logins.log_in(200..300).await;
    assert_eq!(role(site.server(0)).await, "master", "nobody can tell it");
    site.reunite();
    logins.log_in(300..400).await;
    site.server(0).until_linked().await;
    logins.have_all_arrived().await;
}

async fn role(server: &RedisServer) -> String {
    server.info("replication").await["role"].clone()
}
