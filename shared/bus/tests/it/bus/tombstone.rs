//! How long Redis remembers a scene.

use std::time::Duration;

use scenecast_scene::{Grant, Opening, SceneId, Settled, TOMBSTONE_MS};
use scenecast_testing::RedisServer;

use crate::fixtures::{GRANT_LIFE, LIFE, apply, callback, cause, confirm, name, opening, scan, scene, until};

#[tokio::test]
async fn a_scene_is_remembered_for_ten_minutes_after_its_end_and_then_forgotten() {
    let server = RedisServer::start().await;
    let (bus, _) = callback(&server.url());
    let brief = Opening { life: Duration::ZERO, ..opening() };
    bus.open(scene(1), &brief).await.unwrap();
    assert_about(left(&server, scene(1)).await, Duration::ZERO);
    // As if all but a moment of that had passed.
    server.cli(&["PEXPIRE", &name(scene(1)), "1"]).await.unwrap();
    until("it is forgotten", async || bus.settle(scene(1), &cause("late"), &scan("ann")).await == Ok(Settled::Unknown))
        .await;
}

#[tokio::test]
async fn its_end_moves_with_the_life_of_its_grant_and_with_nothing_else() {
    let server = RedisServer::start().await;
    let (bus, _) = callback(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    assert_about(left(&server, scene(1)).await, LIFE);
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    bus.settle(scene(1), &cause("second"), &scan("bob")).await.unwrap();
    assert_about(left(&server, scene(1)).await, LIFE);
    apply(&bus, scene(1), "yes", &confirm(&Grant::issue(scene(1)), "ann")).await;
    assert_about(left(&server, scene(1)).await, GRANT_LIFE);
}

/// How long Redis will keep the scene.
async fn left(server: &RedisServer, scene: SceneId) -> Duration {
    Duration::from_millis(server.cli(&["PTTL", &name(scene)]).await.unwrap().parse().unwrap())
}

/// That is what is kept of a scene with so much life left, or a little less on a busy machine.
#[track_caller]
fn assert_about(kept: Duration, life: Duration) {
    let whole = life + Duration::from_millis(TOMBSTONE_MS);
    assert!(kept <= whole && kept + Duration::from_secs(20) > whole, "{kept:?} is not {whole:?}");
}
