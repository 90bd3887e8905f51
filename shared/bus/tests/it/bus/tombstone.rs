//! How long Redis keeps a scene.

use std::time::Duration;

use scenecast_scene::{Binding, Grant, NewScene, SceneId, Settled, TOMBSTONE_MS, Transition};
use scenecast_testing::RedisServer;

use crate::fixtures::{
    GRANT_LIFE, SCENE_LIFE, TestBus, account, apply, callback, cause, confirm, opening, redis_name, scan, scene, until,
};

#[tokio::test]
async fn a_scene_is_remembered_for_ten_minutes_after_its_end_and_then_forgotten() {
    let server = RedisServer::start().await;
    let (bus, _) = callback(&server.url());
    let brief = NewScene { life: Duration::ZERO, ..opening() };
    bus.open(scene(1), &brief).await.unwrap();
    assert_kept_for(time_to_live(&server, scene(1)).await, Duration::ZERO);
    // As if the ten minutes were almost over.
    server.cli(&["PEXPIRE", &redis_name(scene(1)), "1"]).await.unwrap();
    until("the scene is forgotten", async || {
        bus.settle(scene(1), &cause("late"), &scan("ann")).await == Ok(Settled::Unknown)
    })
    .await;
}

#[tokio::test]
async fn only_the_confirmation_of_a_login_changes_when_a_scene_ends() {
    let server = RedisServer::start().await;
    let (bus, _) = callback(&server.url());
    bus.open(scene(1), &opening()).await.unwrap();
    assert_kept_for(time_to_live(&server, scene(1)).await, SCENE_LIFE);
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    bus.settle(scene(1), &cause("second"), &scan("bob")).await.unwrap();
    assert_kept_for(time_to_live(&server, scene(1)).await, SCENE_LIFE);
    apply(&bus, scene(1), "yes", &confirm(&Grant::issue(scene(1)), "ann")).await;
    assert_ends_in(&bus, scene(1), GRANT_LIFE).await;
}

/// A page's key is valid until its scene would have ended. If the scene were forgotten sooner, a page with such a key
/// would be taken for one whose scene Redis has lost, and the scene would be opened again.
#[tokio::test]
async fn a_scene_that_was_logged_in_is_kept_as_long_as_its_key_is_valid() {
    const HOUR: Duration = Duration::from_secs(3600);
    let server = RedisServer::start().await;
    let (bus, _) = callback(&server.url());
    bus.open(scene(1), &NewScene { life: HOUR, ..opening() }).await.unwrap();
    let grant = Grant::issue(scene(1));
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    apply(&bus, scene(1), "yes", &confirm(&grant, "ann")).await;
    assert_kept_for(time_to_live(&server, scene(1)).await, HOUR);
    assert_ends_in(&bus, scene(1), GRANT_LIFE).await;
    let binding = Some(Binding::of("session"));
    apply(&bus, scene(1), "redeem", &Transition::Redeem { grant: grant.digest(), account: account(), binding }).await;
    assert_kept_for(time_to_live(&server, scene(1)).await, HOUR);
}

/// Checks how long the scene's state still lasts. On a busy machine some time has passed.
async fn assert_ends_in(bus: &TestBus, scene: SceneId, life: Duration) {
    let left = bus.snapshot(scene).await.unwrap().unwrap().remaining;
    assert!(left <= life && left + Duration::from_secs(20) > life, "ends in {left:?}, expected about {life:?}");
}

/// How long Redis will keep the scene.
async fn time_to_live(server: &RedisServer, scene: SceneId) -> Duration {
    Duration::from_millis(server.cli(&["PTTL", &redis_name(scene)]).await.unwrap().parse().unwrap())
}

/// Checks that a scene which ends in `life` is kept for ten minutes more. On a busy machine some time has passed.
#[track_caller]
fn assert_kept_for(kept: Duration, life: Duration) {
    let whole = life + Duration::from_millis(TOMBSTONE_MS);
    assert!(kept <= whole && kept + Duration::from_secs(20) > whole, "kept for {kept:?}, expected about {whole:?}");
}
