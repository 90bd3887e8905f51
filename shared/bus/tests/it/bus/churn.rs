//! Thousands of scenes that are opened, watched and left.

use scenecast_testing::RedisServer;

use crate::fixtures::{apply, callback, for_each_scene, next_event_kind, opening, pod, scan, scene, until};

const SCENES: u128 = 5_000;
const ROUNDS: u128 = 5;

#[tokio::test]
async fn scenes_whose_watchers_have_left_leave_no_state_and_no_subscription() {
    let server = RedisServer::start().await;
    let bus = &pod(&server.url()).0;
    let callback = &callback(&server.url()).0;
    for round in 0..ROUNDS {
        for_each_scene(SCENES, |n| async move {
            let scene = scene(round * SCENES + n);
            bus.open(scene, &opening()).await.unwrap();
            let (mut watch, _) = bus.watch(scene, 0).await.unwrap();
            // The pages of all other scenes leave before anybody scans.
            if n % 2 == 0 {
                apply(callback, scene, "scan", &scan("ann")).await;
                assert_eq!(next_event_kind(&mut watch).await, "scanned");
            }
        })
        .await;
        assert_eq!(bus.watched_scenes(), 0);
        let subscribed = async || server.cli(&["PUBSUB", "SHARDCHANNELS"]).await.unwrap();
        until("nothing is subscribed in Redis", async || subscribed().await.is_empty()).await;
    }
}
