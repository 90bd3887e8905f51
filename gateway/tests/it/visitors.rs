//! What the callback, and so the phone, is told of a page: the same by every way to open its scene or to open it again.

use std::time::SystemTime;

use reqwest::{Method, RequestBuilder, header::HeaderValue};
use scenecast_browsers::login_page::LoginPage;
use scenecast_scene::{Language, PageInfo};
use scenecast_testing::RedisServer;
use serde_json::Value;

use crate::fixtures::{GatewayWorld, LIFE, ORIGIN, RecordingCallback, Scene, frame};

const ANN: &str = "203.0.113.1";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// The compatible requests that have a scene opened.
const OPENING: [(Method, &str); 3] = [
    (Method::GET, "/login/code"),
    (Method::GET, "/createQrCode"),
    (Method::POST, "/miniapp/getwxacodeunlimit?cookie=waited3"),
];

/// A request without an `Origin`, as a browser sends it for a GET or an image of the same origin.
fn same_origin(world: &GatewayWorld, method: Method, path: &str) -> RequestBuilder {
    // A browser that is redirected keeps its `Referer`.
    let browser = reqwest::Client::builder().referer(false).build().unwrap();
    let request = browser.request(method, world.url(path)).header("x-forwarded-for", ANN);
    request.header("user-agent", FIREFOX).body("scene=7")
}

/// A request for a scene with its key, by a script that invents no header.
fn bare(world: &GatewayWorld, scene: &Scene, suffix: &str) -> RequestBuilder {
    let request = world.scene_request(scene, suffix).header("x-forwarded-for", ANN);
    request.header("user-agent", FIREFOX)
}

fn anns_page() -> PageInfo {
    PageInfo {
        host: Some("www.example.com".to_owned()),
        address: Some(ANN.parse().unwrap()),
        browser: Some("Firefox, Linux".to_owned()),
        ..PageInfo::default()
    }
}

#[tokio::test]
async fn a_scene_that_redis_lost_is_opened_again_with_what_is_known_of_its_page() {
    let redis = RedisServer::start().await;
    let mut callback = RecordingCallback::start().await;
    let world = GatewayWorld::with_callback(&redis, &callback).await;
    for suffix in ["?wait=0", "/events"] {
        for (accepted, language) in [("en-GB,en;q=0.9", Some(Language::En)), ("*", None)] {
            let scene = Scene::issue(LIFE, SystemTime::now());
            let request = bare(&world, &scene, suffix).header("accept-language", accepted);
            assert_eq!(request.send().await.unwrap().status(), 200);
            assert_eq!(callback.next_reopened().await, (scene.id, PageInfo { language, ..anns_page() }), "{suffix}");
        }
    }
    for (query, language) in [("", None), ("?locale=zh-CN", Some(Language::Zh))] {
        let scene = Scene::issue(LIFE, SystemTime::now());
        let url = format!("ws://{}/v1/ws{query}", world.address);
        let mut page = LoginPage::connect_to(&url, ANN.parse().unwrap(), ORIGIN).await.unwrap();
        page.resume(&scene.key, 0).await.unwrap();
        assert_eq!(frame(&mut page).await.kind, "resumed");
        let on_a_socket = PageInfo { browser: None, language, ..anns_page() };
        assert_eq!(callback.next_reopened().await, (scene.id, on_a_socket));
    }
}

#[tokio::test]
async fn a_scene_that_redis_loses_while_its_page_waits_keeps_what_is_known_of_it() {
    let mut redis = RedisServer::start().await;
    let mut callback = RecordingCallback::start().await;
    let world = GatewayWorld::with_callback(&redis, &callback).await;
    let mut page = LoginPage::connect_for(ANN.parse().unwrap(), &world.address.to_string(), ORIGIN).await.unwrap();
    page.send_text("{\"open\":{\"account\":\"demo\",\"locale\":\"en\"}}").await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "opened");
    let opened = callback.next_opened().await;
    let known = PageInfo { browser: None, language: Some(Language::En), ..anns_page() };
    assert_eq!(opened.1, known);
    redis.restart_empty().await;
    assert_eq!(callback.next_reopened().await, opened);
}

#[tokio::test]
async fn a_scene_that_redis_lost_is_opened_again_with_the_code_to_be_typed_that_its_page_shows() {
    let mut redis = RedisServer::start().await;
    let mut callback = RecordingCallback::start_without_qr_codes().await;
    let world = GatewayWorld::with_callback(&redis, &callback).await;
    let mut page = LoginPage::connect_for(ANN.parse().unwrap(), &world.address.to_string(), ORIGIN).await.unwrap();
    page.send_text("{\"open\":{\"account\":\"demo\"}}").await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "opened");
    redis.restart_empty().await;
    assert_eq!(callback.next_restored().await.as_deref(), Some("12345678"), "as the feed of its socket notices");
    let request = same_origin(&world, Method::POST, "/v1/scenes").header("origin", ORIGIN);
    let opened = request.body("{\"account\":\"demo\"}").send().await.unwrap();
    let opened: Value = serde_json::from_str(&opened.text().await.unwrap()).unwrap();
    let text = |field: &str| opened[field].as_str().unwrap().to_owned();
    let scene = Scene { id: text("scene").parse().unwrap(), key: text("key") };
    assert_eq!(bare(&world, &scene, "?wait=0").send().await.unwrap().status(), 200);
    assert_eq!(callback.next_restored().await.as_deref(), Some("12345678"), "as a poll finds");
    let elsewhere = Scene::issue(LIFE, SystemTime::now());
    assert_eq!(bare(&world, &elsewhere, "?wait=0").send().await.unwrap().status(), 200);
    assert_eq!(callback.next_restored().await, None, "another gateway opened it");
}

#[tokio::test]
async fn the_phone_is_told_a_host_only_of_our_origins() {
    let redis = RedisServer::start().await;
    let mut callback = RecordingCallback::start().await;
    let world = GatewayWorld::with_callback(&redis, &callback).await;
    for (method, path) in OPENING {
        for (referer, host) in [
            ("https://www.example.com/login", Some("www.example.com")),
            ("x://Any-text-at-all", None),
            ("https://stranger.example/", None),
            ("https://www.example.com@stranger.example/", None),
        ] {
            let request = same_origin(&world, method.clone(), path).header("referer", referer);
            assert_eq!(request.header("host", "stranger.example").send().await.unwrap().status(), 200, "{path}");
            assert_eq!(callback.next_opened().await.1.host.as_deref(), host, "{path} {referer}");
        }
    }
}

#[tokio::test]
async fn the_phone_is_told_no_address_of_a_proxy_or_that_a_relay_invents() {
    let redis = RedisServer::start().await;
    let mut callback = RecordingCallback::start().await;
    let world = GatewayWorld::with_callback(&redis, &callback).await;
    for (forwarded, address) in [
        (&b"203.0.113.1"[..], Some(ANN)),
        (b"\xff, 203.0.113.1", Some(ANN)),
        (b"unknown, \"[2001:db8::1]:80\", 203.0.113.1:5000", Some(ANN)),
        (b"6.6.6.6, unknown", None),
        (b"6.6.6.6, \xff", None),
        (b"127.0.0.1", None),
    ] {
        for (method, path) in OPENING {
            let request = reqwest::Client::new().request(method, world.url(path)).body("scene=7");
            let request = request.header("x-forwarded-for", HeaderValue::from_bytes(forwarded).unwrap());
            assert_eq!(request.send().await.unwrap().status(), 200, "{path}");
            let told = callback.next_opened().await.1.address.map(|address| address.to_string());
            assert_eq!(told.as_deref(), address, "{path} {}", forwarded.escape_ascii());
            let limited_as = callback.next_limited_as().await.map(|address| address.to_string());
            match address {
                Some(_) => assert_eq!(limited_as, told),
                None => assert!(limited_as.is_some(), "the day's share counts them, too: {}", forwarded.escape_ascii()),
            }
        }
    }
}
