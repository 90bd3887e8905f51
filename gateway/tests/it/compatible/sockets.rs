//! Sockets of pages that choose an id, and the result that is polled for where there is no socket.

use std::time::Instant;

use reqwest::{StatusCode, redirect::Policy};
use serde_json::{Value, json};

use super::*;

fn name() -> Said {
    Said::Text("Ann".to_owned())
}

#[tokio::test]
async fn a_path_socket_is_told_the_name_and_nothing_else() {
    let world = world().await;
    for path in ["/wx/websocket/1700000000", "/websocket/1700000001"] {
        let visitor = Visitor::default();
        let mut socket = visitor.connect(&world.ws(path)).await.unwrap();
        world.log_in(&world.opened_by(&visitor).await).await;
        assert_eq!(said(&mut socket).await, name());
        assert_eq!(said(&mut socket).await, Said::Closed(1000));
    }
    world.metric_is("scenes_held", 0).await;
}

#[tokio::test]
async fn a_client_id_socket_is_told_who_without_an_openid() {
    let world = world().await;
    let visitor = Visitor::default();
    let mut socket = visitor.connect(&world.ws("/websocket?clientid=scene-1700000000123")).await.unwrap();
    let grant = world.log_in(&world.opened_by(&visitor).await).await.to_string();
    let Said::Text(text) = said(&mut socket).await else { panic!() };
    let user: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(user, json!({ "openid": grant, "nickname": "Ann", "avatar": AVATAR, "grant": grant }));
    assert_eq!(said(&mut socket).await, Said::Closed(1000));
}

#[tokio::test]
async fn another_browser_with_the_same_id_is_told_nothing() {
    let world = world().await;
    let (ann, eve) = (Visitor::default(), Visitor::default());
    // The unix second in which Ann will open her page.
    let id = world.ws("/wx/websocket/1800000000");
    let mut in_advance = eve.connect(&id).await.unwrap();
    let mut socket = ann.connect(&id).await.unwrap();
    let mut afterwards = eve.connect(&id).await.unwrap();
    assert_ne!(claims_of(&ann).scene, claims_of(&eve).scene);
    world.metric_is("scenes_held", 2).await;

    world.log_in(&world.opened_by(&ann).await).await;
    assert_eq!(said(&mut socket).await, name());
    for somebody in [&eve, &Visitor::default()] {
        let result = somebody.get(&world.url("/wx/result/1800000000")).await;
        assert_eq!(result.status(), StatusCode::NO_CONTENT);
    }
    // Both first sockets, and whoever has no cookie at all.
    assert_eq!(world.metric("compatible_foreign_total{route=\"path_socket\"}"), 3);

    // Eve's own scene goes on, and has heard of nothing.
    world.settle(&world.opened_by(&eve).await, Transition::Cancel).await;
    assert_eq!(said(&mut in_advance).await, Said::Closed(1000));
    assert_eq!(said(&mut afterwards).await, Said::Closed(1000));
}

#[tokio::test]
async fn a_page_that_comes_back_in_the_middle_is_told_what_it_missed() {
    let world = world().await;
    let visitor = Visitor::default();
    drop(visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap());
    let scene = world.opened_by(&visitor).await;
    let grant = world.log_in(&scene).await;
    let mut back = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_eq!(said(&mut back).await, name());

    world.redeem(&scene, &grant).await;
    visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_ne!(claims_of(&visitor).scene, scene.id, "a login that is over isn't shown to the next one");
}

#[tokio::test]
async fn what_a_page_says_is_ignored_and_counted() {
    let world = world().await;
    let visitor = Visitor::default();
    let mut socket = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    socket.say(r#"{"equipmentType":"7","nickname":"Mallory"}"#).await.unwrap();
    socket.say("nonsense").await.unwrap();
    world.metric_is("compatible_frames_ignored_total{route=\"path_socket\"}", 2).await;
    world.log_in(&world.opened_by(&visitor).await).await;
    assert_eq!(said(&mut socket).await, name());
}

#[tokio::test]
async fn a_result_is_there_until_it_is_redeemed() {
    let world = world().await;
    let visitor = Visitor::default();
    drop(visitor.connect(&world.ws("/websocket/1700000000")).await.unwrap());
    let poll = async || visitor.get(&world.url("/wx/result/1700000000")).await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT, "its code hasn't been asked for");
    let scene = world.opened_by(&visitor).await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT);

    let grant = world.log_in(&scene).await;
    let expected = json!({
        "nickname": "Ann", "state": 1, "location": "", "equipmentType": "1700000000", "phoneIme": grant.to_string(),
    });
    for _ in 0..2 {
        assert_eq!(poll().await.json::<Value>().await.unwrap(), expected);
    }
    world.redeem(&scene, &grant).await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT);
}

/// What the picture of id 7 is answered, asked for so: the status, and where else to ask.
async fn picture(world: &World, visitor: &Visitor, query: &str) -> (u16, Option<String>) {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let response = visitor.send(client.get(world.url(&format!("/wx/qrcode/7{query}")))).await;
    let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (response.status().as_u16(), to)
}

fn elsewhere(query: &str) -> (u16, Option<String>) {
    (307, Some(query.to_owned()))
}

// No callback makes codes here.
const NO_CALLBACK: (u16, Option<String>) = (503, None);

#[tokio::test]
async fn a_picture_waits_for_its_pages_socket_and_its_cookie() {
    let world = world().await;
    let visitor = Visitor::default();
    let before = Instant::now();
    assert_eq!(picture(&world, &visitor, "").await, elsewhere("?cookie=waited1"));
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert_eq!(picture(&world, &visitor, "?cookie=waited1").await, elsewhere("?cookie=waited2"));
    assert!(visitor.cookies().is_empty(), "the socket's may still be on its way");
    // It was: the browser is far from here.
    visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    let claims = claims_of(&visitor);
    assert_eq!(picture(&world, &visitor, "?cookie=waited2").await, NO_CALLBACK);
    assert_eq!(claims_of(&visitor), claims, "picture and socket are of one scene");
}

#[tokio::test]
async fn a_picture_whose_page_has_no_socket_gets_a_cookie_in_the_end() {
    let world = world().await;
    let visitor = Visitor::default();
    assert_eq!(picture(&world, &visitor, "?cookie=waited2").await, elsewhere("?cookie=waited3"));
    assert_eq!(picture(&world, &visitor, "?cookie=waited3").await, elsewhere("?cookie=given"));
    let claims = claims_of(&visitor);
    assert_eq!(picture(&world, &visitor, "?cookie=given").await, NO_CALLBACK);
    visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_eq!(claims_of(&visitor), claims, "and a socket that comes later is of its scene");

    let without_cookies = reqwest::get(world.url("/wx/qrcode/7?cookie=given")).await.unwrap();
    assert_eq!(without_cookies.status(), StatusCode::FORBIDDEN);
    assert_eq!(without_cookies.json::<Value>().await.unwrap()["code"], "cookie_missing");
}
