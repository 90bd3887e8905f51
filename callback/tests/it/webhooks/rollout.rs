//! Pods of two versions work on one outbox during a rollout: an event that the older version can't read waits for the
//! newer version.

use std::time::Duration;

use scenecast_scene::time::unix_now_ms;
use scenecast_testing::RedisServer;
use serde_json::json;

use super::fixture::{Backend, WebhookPod, dead_letters, delivery, sent};
use crate::{
    stores::store,
    world::{logs, name},
};

/// Writes an event of a kind that only a newer version knows, at this unix time in milliseconds.
async fn put_event_of_newer_version(server: &RedisServer, written_ms: u64, n: u64) {
    let event = json!({
        "account": "demo",
        "kind": "subscribed_to_messages",
        "delivery": delivery(n),
        "created": written_ms,
        "body": { "openid": "oAnn" },
    });
    let id = format!("{written_ms}-0");
    server.cli(&["XADD", "outbox:demo", &id, "letter", &event.to_string()]).await.unwrap();
}

#[tokio::test]
async fn an_event_of_a_newer_version_is_left_for_newer_pods() {
    let server = RedisServer::start().await;
    let mut backend = Backend::good().await;
    put_event_of_newer_version(&server, unix_now_ms(), 1).await;
    let pod = WebhookPod::start(&store(&server.url()), backend.json());
    // It stops no other event.
    pod.followed(2).await;
    backend.next().await;
    // Its pause is a second, so that the pod has claimed it several times by now.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(pod.outbox.waiting(&name("demo")).await, Ok(1), "it waits");
    assert_eq!(pod.outbox.dead(&name("demo")).await, Ok(0), "it is not a dead letter");
    assert_eq!((pod.metric(&dead_letters("unreadable")), pod.metric(&sent("delivered"))), (0, 1));
    let claimed = server.cli(&["XPENDING", "outbox:demo", "callbacks", "-", "+", "10"]).await.unwrap();
    let times: u64 = claimed.split_whitespace().last().unwrap().parse().unwrap();
    assert!(times >= 2, "it was claimed again after its pause: {claimed}");
    assert!(logs::text().contains("the outbox has an event that this version can't read; it stays there"));
}

#[tokio::test]
async fn an_event_that_no_pod_could_read_for_an_hour_is_a_counted_dead_letter() {
    let server = RedisServer::start().await;
    let mut backend = Backend::good().await;
    put_event_of_newer_version(&server, unix_now_ms() - 60 * 60 * 1000, 1).await;
    let pod = WebhookPod::start(&store(&server.url()), backend.json());
    pod.until_metric(&dead_letters("unreadable"), 1).await;
    assert_eq!(pod.outbox.waiting(&name("demo")).await, Ok(0));
    let dead = server.cli(&["XRANGE", "outbox-dead:demo", "-", "+"]).await.unwrap();
    assert!(dead.contains("subscribed_to_messages"), "it is kept as it was written: {dead}");
    assert!(logs::text().contains("no pod could read it within an hour"));
    pod.followed(2).await;
    backend.next().await;
}
