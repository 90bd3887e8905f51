//! A primary is cut off from all other servers, while pods reach both sides.

use scenecast_testing::{RedisCluster, RedisSentinels, RedisServer};

use crate::faults::Logins;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_login_is_lost_when_a_primary_is_cut_off_from_its_cluster() {
    let cluster = RedisCluster::start_partitionable().await;
    let mut logins = Logins::in_cluster(&cluster, 600).await;
    let replica = cluster.replica_of(0).await;
    cluster.isolate(0);
    tokio::join!(logins.log_in(0..300), cluster.until_primary(replica));
    logins.log_in(300..400).await;
    assert_eq!(role(cluster.node(0)).await, "master", "nothing tells the old primary about the failover");
    cluster.heal();
    logins.log_in(400..600).await;
    cluster.until_ok().await;
    assert_eq!(role(cluster.node(0)).await, "slave");
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_login_is_lost_when_a_primary_is_cut_off_from_sentinels_and_replicas() {
    let sentinels = RedisSentinels::start_partitionable().await;
    let mut logins = Logins::under_sentinels(&sentinels, 400).await;
    // A login is accepted only once the replicas have everything before it, so they have all scenes now.
    logins.log_in(0..1).await;
    sentinels.isolate(0);
    tokio::join!(logins.log_in(1..200), sentinels.until_failed_over(0));
    logins.log_in(200..300).await;
    assert_eq!(role(sentinels.server(0)).await, "master", "nothing tells the old primary about the failover");
    sentinels.heal();
    logins.log_in(300..400).await;
    sentinels.server(0).until_in_sync().await;
    logins.assert_all_logged_in().await;
}

async fn role(server: &RedisServer) -> String {
    server.info("replication").await["role"].clone()
}
