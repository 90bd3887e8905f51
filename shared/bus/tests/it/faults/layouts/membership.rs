//! A Cluster gets another primary, and loses it again.

use scenecast_testing::RedisCluster;

use crate::faults::Logins;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_while_a_primary_is_added_and_while_it_is_removed() {
    let mut cluster = RedisCluster::start_with(3, 0).await;
    let mut logins = Logins::in_cluster(&cluster, 900).await;
    let new = cluster.add_primary().await;
    tokio::join!(logins.log_in(0..300), cluster.reshard(0, new, 300));
    logins.log_in(300..400).await;
    tokio::join!(logins.log_in(400..700), cluster.reshard(new, 1, 300));
    cluster.remove_last().await;
    logins.log_in(700..900).await;
    logins.assert_all_logged_in().await;
}
