//! Scenes come and go by the thousand.

use scenecast_testing::RedisServer;

use crate::fixtures::{apply, callback, each, heard, opening, pod, scan, scene, until};

const SCENES: u128 = 5_000;
const ROUNDS: u128 = 5;

#[tokio::test]
async fn of_scenes_that_nobody_watches_any_more_nothing_is_held_or_subscribed() {
    let server = RedisServer::start().await;
    let (bus, another) = (&pod(&server.url()).0, &callback(&server.url()).0);
    for round in 0..ROUNDS {
        each(SCENES, |n| async move {
            let scene = scene(round * SCENES + n);
            bus.open(scene, &opening()).await.unwrap();
            let (mut watch, _) = bus.watch(scene, 0).await.unwrap();
            // The others' pages leave before anybody scans.
            if n % 2 == 0 {
                apply(another, scene, "scan", &scan("ann")).await;
                assert_eq!(heard(&mut watch).await, "scanned");
            }
        })
        .await;
        assert_eq!(bus.watched_scenes(), 0);
        let subscribed = async || server.cli(&["PUBSUB", "SHARDCHANNELS"]).await.unwrap();
        until("Redis has no channel", async || subscribed().await.is_empty()).await;
    }
}
