//! Redis is frozen or away for a short time.

use std::time::Duration;

use scenecast_testing::RedisServer;

use crate::faults::Logins;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_when_redis_is_frozen_for_two_seconds() {
    let server = RedisServer::start().await;
    let mut logins = Logins::start(&server.url(), 300).await;
    logins.log_in(0..100).await;
    tokio::join!(server.sleep(Duration::from_secs(2)), logins.log_in(100..300));
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_when_redis_comes_back_after_five_seconds() {
    let mut server = RedisServer::start().await;
    let mut logins = Logins::start(&server.url(), 300).await;
    let away = async {
        server.stop().await;
        // Longer than any pause before another try to connect.
        tokio::time::sleep(Duration::from_secs(5)).await;
        server.restart().await;
    };
    tokio::join!(away, logins.log_in(0..300));
    logins.assert_all_logged_in().await;
}
