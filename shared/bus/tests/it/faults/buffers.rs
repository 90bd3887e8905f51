//! Redis cuts a subscriber that doesn't read fast enough.

use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisServer, until};

use super::Logins;
use crate::fixtures::{name, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_subscriber_missed_that_was_cut_for_a_full_buffer_is_found_in_the_mailboxes() {
    let server = RedisServer::start().await;
    server.set("client-output-buffer-limit", "pubsub 1mb 0 0").await;
    let wire = RecordingProxy::to(&server).await;
    let mut logins = Logins::by(&wire.url(), &server.url(), 100).await;
    wire.flow(Direction::ToClient, ProxyMode::Hold);
    let shout = "return redis.call('SPUBLISH', ARGV[1], string.rep('x', 1000000))";
    until("Redis cuts the subscriber", async || {
        let heard_by = server.cli(&["EVAL", shout, "0", &name(scene(0))]).await.unwrap();
        heard_by == "0"
    })
    .await;
    logins.log_in(0..100).await;
    wire.flow(Direction::ToClient, ProxyMode::Pass);
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_subscriber_missed_whose_connection_was_killed_is_found_in_the_mailboxes() {
    let server = RedisServer::start().await;
    let mut logins = Logins::at(&server.url(), 300).await;
    for from in [0, 100, 200] {
        let (killed, _) = tokio::join!(server.kill_clients("TYPE pubsub"), logins.log_in(from..from + 100));
        assert!(killed > 0 || from > 0, "nobody subscribes");
    }
    logins.have_all_arrived().await;
}
