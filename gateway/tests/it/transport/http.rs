//! Plain HTTP requests of pages.

use std::time::SystemTime;

use reqwest::Method;

use crate::fixtures::{GatewayWorld, LIFE, ORIGIN, Scene, assert_problem, send};

#[tokio::test]
async fn an_invalid_request_is_refused_with_a_problem() {
    let world = GatewayWorld::new().await;
    for body in ["", "{}", "nonsense", "[]", "{\"account\":\"Demo!\"}", "{\"account\":\"demo\",\"more\":1}"] {
        let answer = send(world.request(Method::POST, "/v1/scenes").body(body)).await;
        assert_problem(&answer, 400, "bad_request");
    }
    let huge = world.request(Method::POST, "/v1/scenes").body("x".repeat(4097));
    assert_problem(&send(huge).await, 413, "body_too_large");
    assert_problem(&send(world.request(Method::GET, "/v1/nothing")).await, 404, "not_found");
    assert_problem(&send(world.request(Method::PUT, "/v1/scenes")).await, 405, "method_not_allowed");
    assert_problem(&send(world.request(Method::GET, "/v1/ws")).await, 426, "bad_handshake");
}

#[tokio::test]
async fn without_a_callback_no_scene_is_opened() {
    let world = GatewayWorld::new().await;
    let response = world.request(Method::POST, "/v1/scenes").body("{\"account\":\"demo\"}").send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN, "the page may read the problem");
}

#[tokio::test]
async fn only_its_own_page_can_cancel_a_scene() {
    let world = GatewayWorld::new().await;
    let now = SystemTime::now();
    let own = Scene::issue(LIFE, now);
    let other = Scene::issue(LIFE, now);
    let foreign = Scene::issue_under("another deployment's", LIFE, now);
    assert_problem(&send(world.request(Method::DELETE, &own.path())).await, 401, "key_missing");
    for (key, path) in [
        (own.key.as_str(), other.path()),
        (&foreign.key, foreign.path()),
        ("x", own.path()),
        (&own.key, "/v1/scenes/%ff".to_owned()),
    ] {
        assert_problem(&send(world.request(Method::DELETE, &path).bearer_auth(key)).await, 403, "key_invalid");
    }
    let cancel = world.request(Method::DELETE, &own.path()).bearer_auth(&own.key);
    assert_problem(&send(cancel).await, 503, "callback_unavailable");
}
