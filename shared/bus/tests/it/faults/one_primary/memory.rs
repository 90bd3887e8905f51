//! Redis has no memory left.

use scenecast_bus::BusError;
use scenecast_testing::RedisServer;

use crate::fixtures::{assert_no_notice, cause, next_event_kind, opening, pod, scan, scene, settle_until_answered};

#[tokio::test]
async fn no_event_is_published_that_a_full_redis_did_not_store() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    server.set("maxmemory", "1").await;
    let settled = bus.settle(scene(1), &cause("scan"), &scan("ann")).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    let opened = bus.open(scene(2), &opening()).await;
    assert!(matches!(opened, Err(BusError::Undecided(_) | BusError::TimedOut)), "{opened:?}");
    // This reply comes after all messages that were published before.
    assert_eq!(bus.read(scene(1)).await.unwrap().unwrap().events, []);
    assert_no_notice(&mut watch);
    server.set("maxmemory", "0").await;
    settle_until_answered(&bus, scene(1), "scan", scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
}
