//! Redis is full.

use scenecast_bus::BusError;
use scenecast_testing::RedisServer;

use crate::fixtures::{cause, heard, hears_nothing, opening, pod, scan, scene, settle_again};

#[tokio::test]
async fn nothing_is_told_that_a_full_redis_did_not_store() {
    let server = RedisServer::start().await;
    let (bus, _) = pod(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    server.set("maxmemory", "1").await;
    let settled = bus.settle(scene(1), &cause("scan"), &scan("ann")).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    let opened = bus.open(scene(2), &opening()).await;
    assert!(matches!(opened, Err(BusError::Undecided(_) | BusError::TimedOut)), "{opened:?}");
    // What is read now was heard before, if anything was.
    assert_eq!(bus.read(scene(1)).await.unwrap().unwrap().events, []);
    hears_nothing(&mut watch);
    server.set("maxmemory", "0").await;
    settle_again(&bus, scene(1), "scan", scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
}
