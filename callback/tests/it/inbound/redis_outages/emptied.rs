//! Redis is emptied: it forgets which signatures were used, so those that are older are undecided.

use std::time::Duration;

use reqwest::StatusCode;
use scenecast_scene::internal::REOPEN_PATH;
use scenecast_testing::until;
use serde_json::json;

use crate::world::{CallbackWorld, LIFE, answer, event, opening, problem, signed};

#[tokio::test]
async fn a_query_that_was_seen_before_redis_was_emptied_is_good_for_no_forged_login() {
    let world = CallbackWorld::over_redis().await;
    let (scene, _) = world.open().await;
    let seen = signed();
    let genuine = world.delivery("demo", &seen, event("SCAN", "a-poster")).send().await.unwrap();
    assert_eq!(genuine.status(), StatusCode::OK);
    world.redis.as_ref().unwrap().cli(&["FLUSHALL"]).await.unwrap();
    let reopened = world.call(world.pod(), REOPEN_PATH, &json!([opening(scene, "demo", LIFE)])).await;
    assert_eq!(answer(reopened, StatusCode::OK).await, 1);

    let undecided = || world.pod().metric("scenecast_deliveries_total{outcome=\"undecided\"}");
    let forged = tokio::spawn(world.delivery("demo", &seen, event("SCAN", &scene.to_string())).send());
    until("the forged message gets no answer", async || undecided() == 1).await;
    let verification = world.http.get(format!("http://{}/wechat/demo?{}&echostr=x", world.pod().public, signed()));
    let verification = verification.send().await.unwrap();
    if verification.status() != StatusCode::OK {
        assert_eq!(problem(verification, StatusCode::SERVICE_UNAVAILABLE).await, "bus_unavailable");
    }
    until("a message that was signed since then is answered", async || {
        let genuine = world.delivery("demo", &signed(), event("SCAN", "a-poster"));
        genuine.timeout(Duration::from_millis(500)).send().await.is_ok()
    })
    .await;
    forged.abort();
    assert!(world.history(scene).await.is_empty());
}
