//! The site's backend reads the record of a person, and registers the person.

use reqwest::{Method, RequestBuilder, StatusCode};
use scenecast_callback::stores::Users;
use scenecast_scene::{DeliveryId, OpenId, Profile};
use serde_json::{Value, json};

use crate::world::{API_KEY, CallbackWorld, OTHER_KEY, answer, name, problem};

const ANN: &str = "oAnnWhoIsKnownToTheAccount01";

fn call(world: &CallbackWorld, method: Method, path: &str) -> RequestBuilder {
    world.http.request(method, format!("http://{}/v1/accounts/{path}", world.pod().internal)).bearer_auth(API_KEY)
}

fn find(world: &CallbackWorld, openid: &str) -> RequestBuilder {
    call(world, Method::GET, &format!("demo/users/{openid}"))
}

fn register(world: &CallbackWorld, openid: &str, body: &Value) -> RequestBuilder {
    call(world, Method::PUT, &format!("demo/users/{openid}/registration")).body(body.to_string())
}

/// Ann follows and has logged in.
async fn store_ann(world: &CallbackWorld) {
    let ann: OpenId = ANN.parse().unwrap();
    let (users, demo) = (Users::new(world.store(), Some(Users::LIFE)), name("demo"));
    let met = users.upsert(&demo, &ann, 1_800_000_000_000, |user| {
        user.set_followed(1_800_000_000);
        let profile = Profile { name: "Ann".to_owned(), avatar: "https://thx.qlogo.cn/a".to_owned() };
        user.set_profile(Some("union".to_owned()), profile, 1_800_000_000_000);
        user.count_login(DeliveryId::of(&["1"]), 1_800_000_001_000);
    });
    met.await.unwrap();
}

#[tokio::test]
async fn a_site_reads_the_record_of_a_person() {
    for world in CallbackWorld::each().await {
        store_ann(&world).await;
        let known = answer(find(&world, ANN).send().await.unwrap(), StatusCode::OK).await;
        let expected = json!({
            "account": "demo",
            "openid": ANN,
            "unionid": "union",
            "profile": { "name": "Ann", "avatar": "https://thx.qlogo.cn/a" },
            "following": true,
            "registered": false,
            "logins": 1,
            "first_seen": "2027-01-15T08:00:00Z",
            "last_login": "2027-01-15T08:00:01Z",
        });
        assert_eq!(known, expected);
    }
}

#[tokio::test]
async fn a_site_registers_and_unregisters_a_person() {
    for world in CallbackWorld::each().await {
        store_ann(&world).await;
        for registered in [true, true, false] {
            let said = register(&world, ANN, &json!({ "registered": registered })).send().await.unwrap();
            assert_eq!(said.status(), StatusCode::NO_CONTENT);
            assert_eq!(said.text().await.unwrap(), "");
            let known = answer(find(&world, ANN).send().await.unwrap(), StatusCode::OK).await;
            assert_eq!((&known["registered"], &known["logins"]), (&json!(registered), &json!(1)));
        }
    }
}

#[tokio::test]
async fn a_call_about_an_unknown_person_makes_no_record() {
    for world in CallbackWorld::each().await {
        let registered = json!({ "registered": true });
        for request in [find(&world, ANN), register(&world, ANN, &registered), find(&world, ANN)] {
            let unknown = request.send().await.unwrap();
            assert_eq!(problem(unknown, StatusCode::NOT_FOUND).await, "user_unknown");
        }
    }
}

#[tokio::test]
async fn the_people_of_another_account_are_not_shown() {
    let world = CallbackWorld::new().await;
    store_ann(&world).await;
    for account in ["other", "nobody", "No%20body", "%FF"] {
        let refused = call(&world, Method::GET, &format!("{account}/users/{ANN}")).send().await.unwrap();
        let (status, code) = match account {
            "%FF" => (StatusCode::BAD_REQUEST, "bad_request"),
            _ => (StatusCode::NOT_FOUND, "account_unknown"),
        };
        assert_eq!(problem(refused, status).await, code, "{account}");
    }
    for key in [OTHER_KEY, "not-a-key", ""] {
        let url = format!("http://{}/v1/accounts/demo/users/{ANN}", world.pod().internal);
        let refused = world.http.get(url).bearer_auth(key).send().await.unwrap();
        let (status, code) = match key {
            OTHER_KEY => (StatusCode::NOT_FOUND, "account_unknown"),
            _ => (StatusCode::UNAUTHORIZED, "api_key_invalid"),
        };
        assert_eq!(problem(refused, status).await, code, "{key}");
    }
    let public = world.http.get(format!("http://{}/v1/accounts/demo/users/{ANN}", world.pod().public));
    assert_eq!(problem(public.bearer_auth(API_KEY).send().await.unwrap(), StatusCode::NOT_FOUND).await, "not_found");
}

#[tokio::test]
async fn a_malformed_openid_or_registration_is_refused() {
    let world = CallbackWorld::new().await;
    store_ann(&world).await;
    for openid in ["o%20p", "o%2Fp", "%E5%AE%89", &"x".repeat(65)] {
        let refused = find(&world, openid).send().await.unwrap();
        assert_eq!(problem(refused, StatusCode::BAD_REQUEST).await, "bad_request", "{openid}");
    }
    for (body, status, code) in [
        (json!({}), StatusCode::BAD_REQUEST, "bad_request"),
        (json!({ "registered": "yes" }), StatusCode::BAD_REQUEST, "bad_request"),
        (json!({ "registered": null }), StatusCode::BAD_REQUEST, "bad_request"),
        (json!({ "registered": true, "name": "Ann" }), StatusCode::BAD_REQUEST, "bad_request"),
        (json!(true), StatusCode::BAD_REQUEST, "bad_request"),
        (json!({ "registered": "x".repeat(1024) }), StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
    ] {
        let refused = register(&world, ANN, &body).send().await.unwrap();
        assert_eq!(problem(refused, status).await, code, "{body:.50}");
    }
    let empty = call(&world, Method::PUT, &format!("demo/users/{ANN}/registration")).send().await.unwrap();
    assert_eq!(problem(empty, StatusCode::BAD_REQUEST).await, "bad_request");
    let posted = call(&world, Method::POST, &format!("demo/users/{ANN}")).send().await.unwrap();
    assert_eq!(problem(posted, StatusCode::METHOD_NOT_ALLOWED).await, "method_not_allowed");
}

#[tokio::test]
async fn a_site_is_told_if_redis_is_away_or_a_record_is_unreadable() {
    let mut world = CallbackWorld::over_redis().await;
    let server = world.redis.as_ref().unwrap();
    server.cli(&["SET", &format!("user:demo:{ANN}"), "nonsense"]).await.unwrap();
    let malformed = find(&world, ANN).send().await.unwrap();
    assert_eq!(problem(malformed, StatusCode::INTERNAL_SERVER_ERROR).await, "store_malformed");
    world.redis.as_mut().unwrap().stop().await;
    for request in [find(&world, ANN), register(&world, ANN, &json!({ "registered": true }))] {
        let away = request.send().await.unwrap();
        assert_eq!(away.headers()["retry-after"], "2");
        assert_eq!(problem(away, StatusCode::SERVICE_UNAVAILABLE).await, "store_unavailable");
    }
}
