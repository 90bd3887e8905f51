//! Redis cuts a subscriber that doesn't read fast enough, or an operator kills it.

use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisServer, until};

use crate::{
    faults::Logins,
    fixtures::{redis_name, scene},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_missed_because_redis_cut_a_full_subscriber_are_read_from_the_mailboxes() {
    let server = RedisServer::start().await;
    server.set("client-output-buffer-limit", "pubsub 1mb 0 0").await;
    let proxy = RecordingProxy::start(&server).await;
    let mut logins = Logins::start_with_urls(&proxy.url(), &server.url(), 100).await;
    proxy.set_mode(Direction::ToClient, ProxyMode::Hold);
    let publish_a_megabyte = "return redis.call('SPUBLISH', ARGV[1], string.rep('x', 1000000))";
    until("Redis cuts the subscriber", async || {
        let receivers = server.cli(&["EVAL", publish_a_megabyte, "0", &redis_name(scene(0))]).await.unwrap();
        receivers == "0"
    })
    .await;
    logins.log_in(0..100).await;
    proxy.set_mode(Direction::ToClient, ProxyMode::Pass);
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_missed_because_the_subscribing_connection_was_killed_are_read_from_the_mailboxes() {
    let server = RedisServer::start().await;
    let mut logins = Logins::start(&server.url(), 300).await;
    for from in [0, 100, 200] {
        let (killed, _) = tokio::join!(server.kill_clients("TYPE pubsub"), logins.log_in(from..from + 100));
        assert!(killed > 0 || from > 0, "no connection subscribes");
    }
    logins.assert_all_logged_in().await;
}
