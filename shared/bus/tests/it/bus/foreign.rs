//! What isn't ours in Redis, and what it does to the rest: nothing.

use scenecast_bus::BusError;
use scenecast_testing::{RecordingProxy, RedisServer};

use crate::fixtures::{apply, callback, cause, heard, hears_nothing, hold, name, opening, pod, scan, scene};

#[tokio::test]
async fn a_mailbox_that_is_not_ours_is_malformed_and_stays_as_it_is() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    for (n, command) in (1..).zip([
        &["HSET", "state", "nonsense"][..],
        &["HSET", "state", "nonsense", "expires", "99999999999999"],
        &["HSET", "state", "open", "events", "nonsense"],
        &["HSET", "state", "open", "events", "\u{1}", "expires", "nonsense"],
        &["SET", "a string"],
    ]) {
        let name = name(scene(n));
        let (verb, rest) = command.split_first().unwrap();
        server.cli(&[&[*verb, &name], rest].concat()).await.unwrap();
        let before = server.cli(&["DUMP", &name]).await.unwrap();
        assert!(matches!(bus.read(scene(n)).await, Err(BusError::Malformed(_))), "read {command:?}");
        assert!(matches!(bus.watch(scene(n), 0).await.map(drop), Err(BusError::Malformed(_))), "watch {command:?}");
        let settled = bus.settle(scene(n), &cause("scan"), &scan("ann")).await;
        assert!(matches!(settled, Err(BusError::Malformed(_))), "settle {command:?}: {settled:?}");
        assert_eq!(server.cli(&["DUMP", &name]).await.unwrap(), before, "{command:?}");
    }
}

#[tokio::test]
async fn one_bad_mailbox_does_not_keep_the_others_from_catching_up() {
    for command in [&["HSET", "state", "nonsense"][..], &["HSET", "events", "nonsense"], &["SET", "a string"]] {
        let server = RedisServer::start().await;
        let wire = RecordingProxy::to(&server).await;
        let (here, there) = (pod(&wire.url()).0, callback(&server.url()).0);
        let mut watches = hold(10, &here).await;
        wire.close();
        for n in 0..10 {
            apply(&there, scene(n), "scan", &scan("ann")).await;
        }
        let (verb, rest) = command.split_first().unwrap();
        server.cli(&[&[*verb, &name(scene(5))], rest].concat()).await.unwrap();
        wire.mend();
        for (_, watch) in (0..).zip(&mut watches).filter(|(n, _)| *n != 5) {
            assert_eq!(heard(watch).await, "scanned", "{command:?}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_not_ours_is_dropped_and_the_next_one_heard() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    for nonsense in ["", "nonsense", "1 {}", "18446744073709551616 {}"] {
        let heard_by = server.cli(&["SPUBLISH", &name(scene(1)), nonsense]).await.unwrap();
        assert_eq!(heard_by, "1");
    }
    // Bytes that are no text.
    server.cli(&["EVAL", "return redis.call('SPUBLISH', ARGV[1], '\\255\\254')", "0", &name(scene(1))]).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
    hears_nothing(&mut watch);
}
