//! What browsers ask by plain HTTP.

use std::time::SystemTime;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::*;

async fn ask(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn request(world: &World, method: Method, path: &str) -> RequestBuilder {
    reqwest::Client::new().request(method, world.url(path)).header("origin", ORIGIN)
}

#[track_caller]
fn problem((status, body): &(u16, Value), expected: u16, code: &str) {
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
        let answer = ask(request(&world, Method::POST, "/v1/scenes").body(body)).await;
        problem(&answer, 400, "bad_request");
    }
    let huge = request(&world, Method::POST, "/v1/scenes").body("x".repeat(4097));
    problem(&ask(huge).await, 413, "body_too_large");
    problem(&ask(request(&world, Method::GET, "/v1/nothing")).await, 404, "not_found");
    problem(&ask(request(&world, Method::PUT, "/v1/scenes")).await, 405, "method_not_allowed");
    problem(&ask(request(&world, Method::GET, "/v1/ws")).await, 426, "bad_handshake");
}

#[tokio::test]
async fn without_a_callback_no_scene_is_opened() {
    let world = World::new().await;
    let response = request(&world, Method::POST, "/v1/scenes").body("{\"account\":\"demo\"}").send().await.unwrap();
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
    let asked = request(&world, Method::OPTIONS, "/v1/scenes/x")
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
    let issue = |secret: &str| {
        let (key, claims) = ring(secret).issue(&account(), None, Duration::from_secs(120), SystemTime::now());
        (key.to_string(), format!("/v1/scenes/{}", claims.scene))
    };
    let (mine, my_scene) = issue(KEY_SECRET);
    let (_, other_scene) = issue(KEY_SECRET);
    let (foreign, foreign_scene) = issue("another deployment's");
    problem(&ask(request(&world, Method::DELETE, &my_scene)).await, 401, "key_missing");
    for (key, scene) in [
        (&mine, &other_scene),
        (&foreign, &foreign_scene),
        (&"x".to_owned(), &my_scene),
        (&mine, &"/v1/scenes/%ff".to_owned()),
    ] {
        problem(&ask(request(&world, Method::DELETE, scene).bearer_auth(key)).await, 403, "key_invalid");
    }
    problem(&ask(request(&world, Method::DELETE, &my_scene).bearer_auth(mine)).await, 503, "callback_unavailable");
}
