//! The site's backend trades a grant for the person who logged in.

use std::time::Duration;

use reqwest::StatusCode;
use scenecast_scene::Grant;
use scenecast_service::config::Seconds;
use scenecast_testing::{RedisServer, until};
use serde_json::{Value, json};

use crate::world::{API_KEY, CallbackWorld, OTHER_KEY, STATE, answer, name, new_scene, problem};

fn with_state(grant: &Grant) -> Value {
    json!({ "grant": grant, "state": STATE })
}

#[tokio::test]
async fn a_grant_is_traded_once_for_the_person_who_logged_in() {
    for world in CallbackWorld::each().await {
        let grant = world.log_in("ann").await;
        let who = answer(world.redeem(API_KEY, &with_state(&grant)).send().await.unwrap(), StatusCode::OK).await;
        assert_eq!(who["account"], "demo");
        assert_eq!(who["openid"], world.openid("ann", "demo"));
        assert_eq!(who["unionid"].as_str().unwrap().len(), 28);
        assert_eq!(who["profile"]["name"], "Ann");
        let twice = world.redeem(API_KEY, &with_state(&grant)).send().await.unwrap();
        assert_eq!(problem(twice, StatusCode::CONFLICT).await, "grant_used");
        assert_eq!(world.pod().metric("scenecast_scenes_total{stage=\"redeemed\"}"), 1);
        assert_eq!(world.pod().metric("scenecast_redeems_total{outcome=\"grant_used\"}"), 1);
    }
}

#[tokio::test]
async fn a_grant_is_unknown_for_good_only_while_the_replica_follows() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&primary).await;
    let world = CallbackWorld::with(Some(primary), |_| {}).await;
    let redeem = async || world.redeem(API_KEY, &with_state(&Grant::issue(new_scene("demo")))).send().await.unwrap();
    until("the callback knows of the replica", async || {
        assert_eq!(problem(redeem().await, StatusCode::NOT_FOUND).await, "grant_unknown");
        world.redis.as_ref().unwrap().usage().await.calls("wait") > 0
    })
    .await;
    // The primary may have been replaced.
    replica.pause();
    let undecided = redeem().await;
    assert!(undecided.headers().contains_key("retry-after"));
    assert_eq!(problem(undecided, StatusCode::SERVICE_UNAVAILABLE).await, "bus_unavailable");
    replica.resume();
    until("the replica follows again", async || redeem().await.status() == StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_redeem_says_the_number_of_logins_and_whether_the_person_is_registered() {
    for world in CallbackWorld::each().await {
        let who = async |grant: &Grant| {
            let who = world.redeem(API_KEY, &with_state(grant)).send().await.unwrap();
            let who = answer(who, StatusCode::OK).await;
            (who["registered"].as_bool().unwrap(), who["logins"].as_u64().unwrap())
        };
        assert_eq!(who(&world.log_in("ann").await).await, (false, 1));
        let registration = format!("/v1/accounts/demo/users/{}/registration", world.openid("ann", "demo"));
        let registered = world.http.put(format!("http://{}{registration}", world.pod().internal));
        let registered = registered.bearer_auth(API_KEY).body(json!({ "registered": true }).to_string());
        assert_eq!(registered.send().await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(who(&world.log_in("ann").await).await, (true, 2));
        assert_eq!(who(&world.log_in("bo").await).await, (false, 1));
    }
}

#[tokio::test]
async fn the_same_idempotency_key_gets_the_same_answer_and_only_for_the_same_grant_and_state() {
    for world in CallbackWorld::each().await {
        let (grant, other) = (world.log_in("ann").await, world.log_in("bo").await);
        let ask =
            async |body: Value| world.redeem(API_KEY, &body).header("idempotency-key", "once").send().await.unwrap();
        let first = answer(ask(with_state(&grant)).await, StatusCode::OK).await;
        assert_eq!(answer(ask(with_state(&grant)).await, StatusCode::OK).await, first);
        assert_eq!(world.pod().metric("scenecast_scenes_total{stage=\"redeemed\"}"), 1);

        let another_state = ask(json!({ "grant": grant, "state": "another" })).await;
        assert_eq!(problem(another_state, StatusCode::CONFLICT).await, "grant_used");
        let another_grant = answer(ask(with_state(&other)).await, StatusCode::OK).await;
        assert_ne!(another_grant["openid"], first["openid"]);
    }
}

#[tokio::test]
async fn a_grant_is_useless_for_other_sites_and_browsers() {
    for world in CallbackWorld::each().await {
        let grant = world.log_in("ann").await;
        let made_up = Grant::issue(grant.scene());
        let nowhere = Grant::issue(new_scene("demo"));
        for (key, body, status, code) in [
            (OTHER_KEY, with_state(&grant), StatusCode::NOT_FOUND, "grant_unknown"),
            (
                API_KEY,
                json!({ "grant": grant, "state": STATE, "account": "other" }),
                StatusCode::NOT_FOUND,
                "grant_unknown",
            ),
            (API_KEY, with_state(&made_up), StatusCode::NOT_FOUND, "grant_unknown"),
            (API_KEY, with_state(&nowhere), StatusCode::NOT_FOUND, "grant_unknown"),
            (API_KEY, json!({ "grant": grant, "state": "another" }), StatusCode::CONFLICT, "state_mismatch"),
            (API_KEY, json!({ "grant": grant }), StatusCode::CONFLICT, "state_mismatch"),
            ("not-a-key", with_state(&grant), StatusCode::UNAUTHORIZED, "api_key_invalid"),
        ] {
            let refused = world.redeem(key, &body).send().await.unwrap();
            assert_eq!(problem(refused, status).await, code, "{body}");
        }
        answer(world.redeem(API_KEY, &with_state(&grant)).send().await.unwrap(), StatusCode::OK).await;
        let used_elsewhere = world.redeem(OTHER_KEY, &with_state(&grant)).send().await.unwrap();
        assert_eq!(problem(used_elsewhere, StatusCode::NOT_FOUND).await, "grant_unknown");
    }
}

#[tokio::test]
async fn an_expired_grant_is_refused_even_if_it_was_redeemed_before() {
    let world = CallbackWorld::with(None, |config| {
        config.accounts.get_mut(&name("demo")).unwrap().grant_life = Seconds::new(1);
    })
    .await;
    let (grant, unused) = (world.log_in("ann").await, world.log_in("bo").await);
    let ask = async |grant: &Grant| {
        world.redeem(API_KEY, &with_state(grant)).header("idempotency-key", "once").send().await.unwrap()
    };
    answer(ask(&grant).await, StatusCode::OK).await;
    tokio::time::sleep(Duration::from_millis(1001)).await;
    for grant in [&grant, &unused] {
        assert_eq!(problem(ask(grant).await, StatusCode::GONE).await, "grant_expired");
    }
}

#[tokio::test]
async fn a_malformed_body_is_refused() {
    let world = CallbackWorld::new().await;
    let grant = world.log_in("ann").await;
    for (body, status, code) in [
        (String::new(), StatusCode::BAD_REQUEST, "bad_request"),
        ("grant=x".to_owned(), StatusCode::BAD_REQUEST, "bad_request"),
        (json!({ "grant": "x" }).to_string(), StatusCode::BAD_REQUEST, "bad_request"),
        (json!({ "grant": grant, "stat": STATE }).to_string(), StatusCode::BAD_REQUEST, "bad_request"),
        (
            json!({ "grant": grant, "state": "x".repeat(5000) }).to_string(),
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
        ),
    ] {
        let refused = world.redeem(API_KEY, &Value::Null).body(body.clone()).send().await.unwrap();
        assert_eq!(problem(refused, status).await, code, "{body:.50}");
    }
    let no_key = world.http.post(format!("http://{}/v1/redeem", world.pod().internal)).send().await.unwrap();
    assert_eq!(problem(no_key, StatusCode::UNAUTHORIZED).await, "api_key_invalid");
}

#[tokio::test]
async fn a_call_with_a_key_for_several_accounts_has_to_name_one() {
    let world = CallbackWorld::with(None, |config| {
        config.api_keys.get_mut("shop").unwrap().accounts.insert(name("other"));
    })
    .await;
    let grant = world.log_in("ann").await;
    let unnamed = world.redeem(API_KEY, &with_state(&grant)).send().await.unwrap();
    assert_eq!(problem(unnamed, StatusCode::BAD_REQUEST).await, "bad_request");
    let named = json!({ "grant": grant, "state": STATE, "account": "demo" });
    answer(world.redeem(API_KEY, &named).send().await.unwrap(), StatusCode::OK).await;
}
