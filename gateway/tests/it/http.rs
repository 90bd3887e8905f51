//! What browsers ask by plain HTTP.

use std::time::SystemTime;

use reqwest::RequestBuilder;
use serde_json::Value;

use super::*;

pub(crate) async fn ask(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[track_caller]
pub(crate) fn problem((status, body): &(u16, Value), expected: u16, code: &str) {
    assert_eq!((*status, body["code"].as_str()), (expected, Some(code)), "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
}

#[tokio::test]
async fn the_module_may_be_imported_from_anywhere() {
    let world = World::new().await;
    let response = reqwest::get(world.url("/v1/scenecast.js")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert!(response.text().await.unwrap().contains("export function login"));
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_told_why() {
    let world = World::new().await;
    for body in ["", "{}", "nonsense", "[]", "{\"account\":\"Demo!\"}", "{\"account\":\"demo\",\"more\":1}"] {
        let answer = ask(world.request(Method::POST, "/v1/scenes").body(body)).await;
        problem(&answer, 400, "bad_request");
    }
    let huge = world.request(Method::POST, "/v1/scenes").body("x".repeat(4097));
    problem(&ask(huge).await, 413, "body_too_large");
    problem(&ask(world.request(Method::GET, "/v1/nothing")).await, 404, "not_found");
    problem(&ask(world.request(Method::PUT, "/v1/scenes")).await, 405, "method_not_allowed");
    problem(&ask(world.request(Method::GET, "/v1/ws")).await, 426, "bad_handshake");
}

#[tokio::test]
async fn without_a_callback_no_scene_is_opened() {
    let world = World::new().await;
    let response = world.request(Method::POST, "/v1/scenes").body("{\"account\":\"demo\"}").send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN, "the page may read why");
}

#[tokio::test]
async fn a_foreign_origin_is_refused_before_anything_happens() {
    let world = World::new().await;
    let post = reqwest::Client::new().post(world.url("/v1/scenes")).header("origin", "https://evil.example");
    problem(&ask(post.body("{\"account\":\"demo\"}")).await, 403, "origin_forbidden");
}

#[tokio::test]
async fn a_browser_may_ask_beforehand() {
    let world = World::new().await;
    let asked = world
        .request(Method::OPTIONS, "/v1/scenes/x")
        .header("access-control-request-method", "DELETE")
        .header("access-control-request-headers", "authorization");
    let response = asked.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);
    assert!(response.headers()["access-control-allow-methods"].to_str().unwrap().contains("DELETE"));
}

#[tokio::test]
async fn only_its_own_page_can_give_a_scene_up() {
    let world = World::new().await;
    let now = SystemTime::now();
    let [mine, other] = [(); 2].map(|()| Scene::issue(LIFE, now));
    let foreign = Scene::issue_under("another deployment's", LIFE, now);
    problem(&ask(world.request(Method::DELETE, &mine.path())).await, 401, "key_missing");
    for (key, path) in [
        (mine.key.as_str(), other.path()),
        (&foreign.key, foreign.path()),
        ("x", mine.path()),
        (&mine.key, "/v1/scenes/%ff".to_owned()),
    ] {
        problem(&ask(world.request(Method::DELETE, &path).bearer_auth(key)).await, 403, "key_invalid");
    }
    let given_up = world.request(Method::DELETE, &mine.path()).bearer_auth(&mine.key);
    problem(&ask(given_up).await, 503, "callback_unavailable");
}
