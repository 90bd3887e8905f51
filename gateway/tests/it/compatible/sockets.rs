//! WebSockets of pages that choose an id, and the result for pages that poll instead.

use std::time::{Duration, Instant};

use reqwest::{StatusCode, redirect::Policy};
use scenecast_browsers::cookie_browser::{CookieBrowser, SocketMessage};
use scenecast_scene::Transition;
use serde_json::{Value, json};

use super::{AVATAR, claims_of, next};
use crate::fixtures::GatewayWorld;

fn anns_name() -> SocketMessage {
    SocketMessage::Text("Ann".to_owned())
}

#[tokio::test]
async fn a_path_socket_gets_the_name_and_nothing_else() {
    let world = GatewayWorld::compatible().await;
    for path in ["/wx/websocket/1700000000", "/websocket/1700000001"] {
        let visitor = CookieBrowser::default();
        let mut socket = visitor.connect(&world.ws(path)).await.unwrap();
        world.log_ann_in(&world.open_scene_of(&visitor).await).await;
        assert_eq!(next(&mut socket).await, anns_name());
        assert_eq!(next(&mut socket).await, SocketMessage::Closed(1000));
    }
    world.metric_is("scenes_held", 0).await;
}

#[tokio::test]
async fn a_client_id_socket_gets_the_profile_without_an_openid() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    let mut socket = visitor.connect(&world.ws("/websocket?clientid=scene-1700000000123")).await.unwrap();
    let grant = world.log_ann_in(&world.open_scene_of(&visitor).await).await.to_string();
    let SocketMessage::Text(text) = next(&mut socket).await else { panic!() };
    let user: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(user, json!({ "openid": grant, "nickname": "Ann", "avatar": AVATAR, "grant": grant }));
    assert_eq!(next(&mut socket).await, SocketMessage::Closed(1000));
}

#[tokio::test]
async fn another_browser_with_the_same_id_gets_nothing() {
    let world = GatewayWorld::compatible().await;
    let (ann, eve) = (CookieBrowser::default(), CookieBrowser::default());
    // The unix second in which Ann will open her page.
    let id = world.ws("/wx/websocket/1800000000");
    let mut in_advance = eve.connect(&id).await.unwrap();
    let mut socket = ann.connect(&id).await.unwrap();
    let mut afterwards = eve.connect(&id).await.unwrap();
    assert_ne!(claims_of(&ann).scene, claims_of(&eve).scene);
    world.metric_is("scenes_held", 2).await;

    world.log_ann_in(&world.open_scene_of(&ann).await).await;
    assert_eq!(next(&mut socket).await, anns_name());
    for other in [&eve, &CookieBrowser::default()] {
        let result = other.get(&world.url("/wx/result/1800000000")).await;
        assert_eq!(result.status(), StatusCode::NO_CONTENT);
    }
    // The first socket of both, and the browser that has no cookie at all.
    assert_eq!(world.metric("compatible_foreign_total{route=\"path_socket\"}"), 3);

    // Eve's own scene goes on, and has had no events.
    world.settle(&world.open_scene_of(&eve).await, Transition::Cancel).await;
    assert_eq!(next(&mut in_advance).await, SocketMessage::Closed(1000));
    assert_eq!(next(&mut afterwards).await, SocketMessage::Closed(1000));
}

#[tokio::test]
async fn a_page_that_comes_back_gets_the_login_that_it_missed() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    drop(visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap());
    let scene = world.open_scene_of(&visitor).await;
    let grant = world.log_ann_in(&scene).await;
    let mut back = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_eq!(next(&mut back).await, anns_name());

    world.redeem(&scene, &grant).await;
    visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_ne!(claims_of(&visitor).scene, scene.id, "a redeemed login isn't shown again");
}

#[tokio::test]
async fn frames_from_a_page_are_ignored_and_counted() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    let mut socket = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    socket.send_text(r#"{"equipmentType":"7","nickname":"Mallory"}"#).await.unwrap();
    socket.send_text("nonsense").await.unwrap();
    world.metric_is("compatible_frames_ignored_total{route=\"path_socket\"}", 2).await;
    world.log_ann_in(&world.open_scene_of(&visitor).await).await;
    assert_eq!(next(&mut socket).await, anns_name());
}

#[tokio::test]
async fn a_result_can_be_polled_until_it_is_redeemed() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    drop(visitor.connect(&world.ws("/websocket/1700000000")).await.unwrap());
    let poll = async || visitor.get(&world.url("/wx/result/1700000000")).await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT, "its code hasn't been asked for");
    let scene = world.open_scene_of(&visitor).await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT);

    let grant = world.log_ann_in(&scene).await;
    let expected = json!({
        "nickname": "Ann", "state": 1, "location": "", "equipmentType": "1700000000", "phoneIme": grant.to_string(),
    });
    for _ in 0..2 {
        assert_eq!(poll().await.json::<Value>().await.unwrap(), expected);
    }
    world.redeem(&scene, &grant).await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT);
}

/// The status and the redirect of the answer to an image request for id 7.
async fn image(world: &GatewayWorld, visitor: &CookieBrowser, query: &str) -> (u16, Option<String>) {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let response = visitor.send(client.get(world.url(&format!("/wx/qrcode/7{query}")))).await;
    let location = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
    (response.status().as_u16(), location)
}

fn redirect_to(query: &str) -> (u16, Option<String>) {
    (307, Some(query.to_owned()))
}

// These tests have no callback to make a code.
const NO_CALLBACK: (u16, Option<String>) = (503, None);

#[tokio::test]
async fn an_image_waits_for_the_cookie_of_its_pages_socket() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    let before = Instant::now();
    assert_eq!(image(&world, &visitor, "").await, redirect_to("?cookie=waited1"));
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert_eq!(image(&world, &visitor, "?cookie=waited1").await, redirect_to("?cookie=waited2"));
    assert!(visitor.cookies().is_empty(), "the cookie of the socket may still be on its way");
    // It was on its way.
    visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    let claims = claims_of(&visitor);
    assert_eq!(image(&world, &visitor, "?cookie=waited2").await, NO_CALLBACK);
    assert_eq!(claims_of(&visitor), claims, "image and socket are of one scene");
}

/// The status and the redirect of the answer to a request for a mini program's code for id 7.
async fn code(world: &GatewayWorld, visitor: &CookieBrowser, query: &str) -> (u16, Option<String>) {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let request = client.post(world.url(&format!("/miniapp/getwxacodeunlimit{query}"))).body("scene=7");
    let response = visitor.send(request).await;
    let location = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
    (response.status().as_u16(), location)
}

#[tokio::test]
async fn a_mini_programs_code_waits_for_the_cookie_of_its_pages_socket() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    let before = Instant::now();
    assert_eq!(code(&world, &visitor, "").await, redirect_to("?cookie=waited1"));
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert!(visitor.cookies().is_empty(), "the cookie of the socket may still be on its way");
    visitor.connect(&world.ws("/websocket?clientid=7")).await.unwrap();
    let claims = claims_of(&visitor);
    // The answer is 200 also where there is no code, since its page looks at the envelope.
    assert_eq!(code(&world, &visitor, "?cookie=waited1").await, (200, None));
    assert_eq!(claims_of(&visitor), claims, "code and socket are of one scene");

    // Another browser that knows the id gets a scene of its own, however long it waits.
    let eve = CookieBrowser::default();
    eve.connect(&world.ws("/websocket?clientid=7")).await.unwrap();
    assert_eq!(code(&world, &eve, "?cookie=waited1").await, (200, None));
    assert_ne!(claims_of(&eve).scene, claims.scene);
    for query in ["?cookie=waited3", "?cookie=waited99", "?cookie=waited18446744073709551615"] {
        assert_eq!(code(&world, &CookieBrowser::default(), query).await, (200, None), "{query}");
    }
    for query in ["?cookie=waited-1", "?cookie=waitedx", "?cookie=waited18446744073709551616", "?x"] {
        assert_eq!(code(&world, &CookieBrowser::default(), query).await, redirect_to("?cookie=waited1"), "{query}");
    }
}

#[tokio::test]
async fn an_image_whose_page_has_no_socket_sets_a_cookie_in_the_end() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    assert_eq!(image(&world, &visitor, "?cookie=waited2").await, redirect_to("?cookie=waited3"));
    assert_eq!(image(&world, &visitor, "?cookie=waited3").await, redirect_to("?cookie=given"));
    let claims = claims_of(&visitor);
    assert_eq!(image(&world, &visitor, "?cookie=given").await, NO_CALLBACK);
    visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_eq!(claims_of(&visitor), claims, "a socket that comes later is of its scene");

    let without_cookies = reqwest::get(world.url("/wx/qrcode/7?cookie=given")).await.unwrap();
    assert_eq!(without_cookies.status(), StatusCode::FORBIDDEN);
    assert_eq!(without_cookies.json::<Value>().await.unwrap()["code"], "cookie_missing");
}
