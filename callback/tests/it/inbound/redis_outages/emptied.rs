//! Redis is emptied: it forgets which signatures were used, so those that are older are undecided.

use std::time::Duration;

use reqwest::StatusCode;
use scenecast_callback::config::Mode;
use scenecast_scene::internal::REOPEN_PATH;
use scenecast_testing::{RedisServer, until};
use serde_json::json;

use crate::world::{CallbackWorld, LIFE, answer, encryption::set_mode, event, opening, problem, signed};

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

/// How often Redis was asked how it is, without the question of this call.
async fn inspections(redis: &RedisServer) -> u64 {
    let stats = redis.cli(&["INFO", "commandstats"]).await.unwrap();
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_info:calls="));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn only_accounts_in_plain_mode_have_redis_asked_each_second_whether_it_was_emptied() {
    let safe = CallbackWorld::with(Some(RedisServer::start().await), |settings| {
        settings.accounts.values_mut().for_each(|account| set_mode(account, Mode::Safe));
    })
    .await;
    let plain = CallbackWorld::over_redis().await;
    let [safe, plain] = [&safe, &plain].map(|world| world.redis.as_ref().unwrap());
    let mut own = 0;
    let mut asked_by_plain = async |times: u64| {
        until("the callback in plain mode asks", async || {
            own += 1;
            inspections(plain).await - (own - 1) >= times
        })
        .await;
    };
    // Each asks some times when it connects.
    asked_by_plain(5).await;
    safe.cli(&["CONFIG", "RESETSTAT"]).await.unwrap();
    asked_by_plain(7).await;
    assert_eq!(inspections(safe).await, 0, "nobody has asked since then");
}
