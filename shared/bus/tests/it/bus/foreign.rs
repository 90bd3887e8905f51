//! Values and messages in Redis that this program didn't write. They must not disturb the rest.

use scenecast_bus::BusError;
use scenecast_testing::{RecordingProxy, RedisServer};

use crate::fixtures::{
    apply, assert_no_notice, callback, cause, next_event_kind, open_and_watch, opening, pod, redis_name, scan, scene,
};

#[tokio::test]
async fn a_mailbox_that_we_did_not_write_is_malformed_and_is_not_changed() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    for (n, command) in (1..).zip([
        &["HSET", "state", "nonsense"][..],
        &["HSET", "state", "nonsense", "expires", "99999999999999"],
        &["HSET", "state", "open", "events", "nonsense"],
        &["HSET", "state", "open", "events", "\u{1}", "expires", "nonsense"],
        &["SET", "a string"],
    ]) {
        let name = redis_name(scene(n));
        let (verb, args) = command.split_first().unwrap();
        server.cli(&[&[*verb, &name], args].concat()).await.unwrap();
        let before = server.cli(&["DUMP", &name]).await.unwrap();
        assert!(matches!(bus.read(scene(n)).await, Err(BusError::Malformed { .. })), "read {command:?}");
        assert!(matches!(bus.watch(scene(n), 0).await.map(drop), Err(BusError::Malformed { .. })), "watch {command:?}");
        let settled = bus.settle(scene(n), &cause("scan"), &scan("ann")).await;
        assert!(matches!(settled, Err(BusError::Malformed { .. })), "settle {command:?}: {settled:?}");
        assert_eq!(server.cli(&["DUMP", &name]).await.unwrap(), before, "{command:?}");
    }
}

#[tokio::test]
async fn other_scenes_catch_up_although_one_mailbox_is_malformed() {
    for command in [&["HSET", "state", "nonsense"][..], &["HSET", "events", "nonsense"], &["SET", "a string"]] {
        let server = RedisServer::start().await;
        let proxy = RecordingProxy::start(&server).await;
        let (gateway, _) = pod(&proxy.url());
        let (callback, _) = callback(&server.url());
        let mut watches = open_and_watch(10, &gateway).await;
        proxy.refuse_connections();
        for n in 0..10 {
            apply(&callback, scene(n), "scan", &scan("ann")).await;
        }
        let (verb, args) = command.split_first().unwrap();
        server.cli(&[&[*verb, &redis_name(scene(5))], args].concat()).await.unwrap();
        proxy.accept_again();
        for (_, watch) in (0..).zip(&mut watches).filter(|(n, _)| *n != 5) {
            assert_eq!(next_event_kind(watch).await, "scanned", "{command:?}");
        }
    }
}

#[tokio::test]
async fn a_message_that_we_did_not_publish_is_dropped_and_the_next_one_is_delivered() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    for nonsense in ["", "nonsense", "1 {}", "18446744073709551616 {}"] {
        let receivers = server.cli(&["SPUBLISH", &redis_name(scene(1)), nonsense]).await.unwrap();
        assert_eq!(receivers, "1");
    }
    // Bytes that aren't UTF-8.
    server
        .cli(&["EVAL", "return redis.call('SPUBLISH', ARGV[1], '\\255\\254')", "0", &redis_name(scene(1))])
        .await
        .unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert_no_notice(&mut watch);
}
