//! A failover of Redis may lose a login about which its page was told, or leave a redeem undecided. What the site has
//! stays valid.

use std::collections::BTreeMap;

use reqwest::{Response, StatusCode};
use scenecast_callback::config::{Confirmation, Mode};
use scenecast_scene::{AccountName, Grant, SceneId, SceneState, internal::REOPEN_PATH};
use scenecast_simulator::{EncryptionMode, SimulatedAccount};
use scenecast_testing::{RedisServer, until};
use serde_json::json;

use crate::world::{
    AES_KEY, API_KEY, CallbackWorld, LIFE, STATE, answer, demo, encryption::set_mode, name, new_scene, opening, problem,
};

/// Two pods with this confirmation, in safe mode: in plain mode nobody knows of a message that was signed before a loss
/// whether it is a replay.
async fn in_safe_mode(confirmation: Confirmation) -> CallbackWorld {
    let set_up = |accounts: &mut BTreeMap<AccountName, SimulatedAccount>| {
        let wechats = accounts.get_mut(&name("demo")).unwrap();
        wechats.mode = EncryptionMode::Safe;
        wechats.aes_key = AES_KEY.parse().unwrap();
    };
    let redis = Some(RedisServer::start().await);
    let mut world = CallbackWorld::with_wechat(redis, set_up, |settings| {
        set_mode(demo(settings), Mode::Safe);
        demo(settings).confirmation = confirmation;
    })
    .await;
    world.add_pod().await;
    world
}

/// Empties the Redis of this world, except for the scene, as a failover to an empty replica would.
async fn lose_all_but(world: &CallbackWorld, scene: SceneId) {
    world.redis.as_ref().unwrap().cli(&["FLUSHALL"]).await.unwrap();
    let reopened = world.call(world.pod(), REOPEN_PATH, &json!([opening(scene, "demo", LIFE)])).await;
    assert_eq!(answer(reopened, StatusCode::OK).await, 1);
}

async fn redeem(world: &CallbackWorld, grant: &Grant) -> Response {
    let body = json!({ "grant": grant, "state": STATE });
    world.redeem(API_KEY, &body).header("idempotency-key", "1").send().await.unwrap()
}

async fn assert_not_yet(refused: Response) {
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "grant_not_yet");
}

#[tokio::test]
async fn a_login_that_redis_lost_comes_back_with_the_grant_that_its_page_has() {
    for confirmation in [Confirmation::None, Confirmation::Tap] {
        let world = in_safe_mode(confirmation).await;
        let (scene, scanned) = world.scan_new("ann").await;
        let mut deliveries = vec![scanned];
        if confirmation == Confirmation::Tap {
            deliveries.push(world.say("ann", "1").await);
        }
        let grant = world.login(scene).await.grant;
        lose_all_but(&world, scene).await;
        for delivery in &deliveries {
            assert_not_yet(redeem(&world, &grant).await).await;
            world.again(delivery).await;
        }
        assert_eq!(world.login(scene).await.grant, grant);
        let who = answer(redeem(&world, &grant).await, StatusCode::OK).await;
        assert_eq!(who["openid"], world.openid("ann", "demo"));
    }
}

#[tokio::test]
async fn a_person_who_scans_again_after_a_lost_login_logs_in_the_same_page() {
    let world = in_safe_mode(Confirmation::None).await;
    let (scene, qr_url) = world.open().await;
    world.scan("ann", &qr_url).await;
    let grant = world.login(scene).await.grant;
    lose_all_but(&world, scene).await;
    world.scan("ann", &qr_url).await;
    assert_eq!(answer(redeem(&world, &grant).await, StatusCode::OK).await["openid"], world.openid("ann", "demo"));
}

#[tokio::test]
async fn another_persons_login_on_the_same_scene_has_another_grant() {
    let world = in_safe_mode(Confirmation::None).await;
    let (scene, qr_url) = world.open().await;
    world.scan("ann", &qr_url).await;
    let anns = world.login(scene).await.grant;
    lose_all_but(&world, scene).await;
    world.scan("bo", &qr_url).await;
    assert_ne!(world.login(scene).await.grant, anns);
    assert_eq!(problem(redeem(&world, &anns).await, StatusCode::NOT_FOUND).await, "grant_unknown");
}

#[tokio::test]
async fn any_grant_of_a_scene_of_ones_own_that_waits_is_not_yet_redeemable() {
    for world in CallbackWorld::each().await {
        let (waiting, _) = world.open().await;
        let (others, _) = world.open_for("other", LIFE).await;
        assert_not_yet(redeem(&world, &Grant::issue(waiting)).await).await;
        for nowhere in [others, new_scene("demo")] {
            let refused = redeem(&world, &Grant::issue(nowhere)).await;
            assert_eq!(problem(refused, StatusCode::NOT_FOUND).await, "grant_unknown");
        }
        assert_eq!(world.reader().read(waiting).await.unwrap().unwrap().state, SceneState::Open);
    }
}

#[tokio::test]
async fn a_redeem_without_redis_can_be_repeated() {
    let mut world = CallbackWorld::over_redis().await;
    let grant = world.log_in("bo").await;
    world.redis.as_mut().unwrap().stop().await;
    let away = redeem(&world, &grant).await;
    assert_eq!(away.headers()["retry-after"], "2");
    assert_eq!(problem(away, StatusCode::SERVICE_UNAVAILABLE).await, "bus_unavailable");
    world.redis.as_mut().unwrap().restart().await;
    assert_eq!(answer(redeem(&world, &grant).await, StatusCode::OK).await["openid"], world.openid("bo", "demo"));
}

#[tokio::test]
async fn a_repeated_redeem_whose_answer_was_lost_gets_the_same_answer() {
    let world = CallbackWorld::over_redis().await;
    let grant = world.log_in("bo").await;
    let redis = world.redis.as_ref().unwrap();
    redis.pause();
    let frozen = redeem(&world, &grant).await;
    assert_eq!(problem(frozen, StatusCode::SERVICE_UNAVAILABLE).await, "bus_unavailable");
    // Redis carries out now what it was asked before.
    redis.resume();
    until("it was redeemed", async || {
        world.reader().read(grant.scene()).await.unwrap().unwrap().state == SceneState::Redeemed
    })
    .await;
    assert_eq!(answer(redeem(&world, &grant).await, StatusCode::OK).await["openid"], world.openid("bo", "demo"));
}
