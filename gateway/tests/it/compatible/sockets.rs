//! Sockets of pages that choose an id, and the result that is polled for where there is no socket.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_path_socket_is_told_the_name_and_nothing_else() {
    let world = world().await;
    for path in ["/wx/websocket/1700000000", "/websocket/1700000001"] {
        let visitor = Visitor::default();
        let mut socket = visitor.connect(&world.ws(path)).await.unwrap();
        let claims = claims_of(&visitor);
        world.open(&claims, "1700000000").await;
        world.log_in(&claims).await;
        assert_eq!(said(&mut socket).await, Said::Text("Ann 🦊".to_owned()));
        assert_eq!(said(&mut socket).await, Said::Closed(1000));
    }
    world.holds(0).await;
}

#[tokio::test]
async fn a_client_id_socket_is_told_who_without_an_openid() {
    let world = world().await;
    let visitor = Visitor::default();
    let mut socket = visitor.connect(&world.ws("/websocket?clientid=scene-1700000000123")).await.unwrap();
    let claims = claims_of(&visitor);
    world.open(&claims, "scene-1700000000123").await;
    let grant = world.log_in(&claims).await.to_string();
    let Said::Text(text) = said(&mut socket).await else { panic!() };
    let user: Value = serde_json::from_str(&text).unwrap();
    let avatar = "https://wx.example/ann";
    assert_eq!(user, json!({ "openid": grant, "nickname": "Ann 🦊", "avatar": avatar, "grant": grant }));
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
    let (anns, eves) = (claims_of(&ann), claims_of(&eve));
    assert_ne!(anns.scene, eves.scene);
    world.holds(2).await;

    world.open(&anns, "1800000000").await;
    world.log_in(&anns).await;
    assert_eq!(said(&mut socket).await, Said::Text("Ann 🦊".to_owned()));
    assert_eq!(eve.get(&world.url("/wx/result/1800000000")).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(Visitor::default().get(&world.url("/wx/result/1800000000")).await.status(), StatusCode::NO_CONTENT);
    assert!(world.counts("scenecast_compatible_foreign_total{route=\"path_socket\"} 3"), "{}", world.metrics.text());

    // Eve's own scene goes on, and has heard of nothing.
    world.open(&eves, "1800000000").await;
    world.settle(&eves, Transition::Cancel).await;
    assert_eq!(said(&mut in_advance).await, Said::Closed(1000));
    assert_eq!(said(&mut afterwards).await, Said::Closed(1000));
}

#[tokio::test]
async fn a_page_that_comes_back_in_the_middle_is_told_what_it_missed() {
    let world = world().await;
    let visitor = Visitor::default();
    drop(visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap());
    let claims = claims_of(&visitor);
    world.open(&claims, "7").await;
    let grant = world.log_in(&claims).await;
    let mut back = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_eq!(said(&mut back).await, Said::Text("Ann 🦊".to_owned()));

    world.redeem(&claims, &grant).await;
    visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_ne!(claims_of(&visitor).scene, claims.scene, "a login that is over isn't shown to the next one");
}

#[tokio::test]
async fn what_a_page_says_is_ignored_and_counted() {
    let world = world().await;
    let visitor = Visitor::default();
    let mut socket = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    let claims = claims_of(&visitor);
    world.holds(1).await;
    socket.say(r#"{"equipmentType":"7","nickname":"Mallory"}"#).await.unwrap();
    socket.say("nonsense").await.unwrap();
    world.tells("scenecast_compatible_frames_ignored_total{route=\"path_socket\"} 2").await;
    world.open(&claims, "7").await;
    world.log_in(&claims).await;
    assert_eq!(said(&mut socket).await, Said::Text("Ann 🦊".to_owned()));
}

#[tokio::test]
async fn a_result_is_there_until_it_is_redeemed() {
    let world = world().await;
    let visitor = Visitor::default();
    drop(visitor.connect(&world.ws("/websocket/1700000000")).await.unwrap());
    let claims = claims_of(&visitor);
    let poll = async || visitor.get(&world.url("/wx/result/1700000000")).await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT, "its code hasn't been asked for");
    world.open(&claims, "1700000000").await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT);

    let grant = world.log_in(&claims).await;
    let expected = json!({
        "nickname": "Ann 🦊", "state": 1, "location": "", "equipmentType": "1700000000", "phoneIme": grant.to_string(),
    });
    for _ in 0..2 {
        assert_eq!(poll().await.json::<Value>().await.unwrap(), expected);
    }
    world.redeem(&claims, &grant).await;
    assert_eq!(poll().await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_picture_waits_for_its_pages_socket_and_its_cookie() {
    let world = world().await;
    let ask = async |visitor: &Visitor, path: &str| {
        let response = visitor
            .send(
                reqwest::Client::builder()
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .unwrap()
                    .get(world.url(path)),
            )
            .await;
        let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (response.status().as_u16(), to)
    };
    let visitor = Visitor::default();
    let before = std::time::Instant::now();
    assert_eq!(ask(&visitor, "/wx/qrcode/7").await, (307, Some("?cookie=waited".to_owned())));
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert!(visitor.cookies().is_empty(), "the socket's may be on its way");

    assert_eq!(ask(&visitor, "/wx/qrcode/7?cookie=waited").await, (307, Some("?cookie=given".to_owned())));
    let claims = claims_of(&visitor);
    // No callback makes codes here.
    assert_eq!(ask(&visitor, "/wx/qrcode/7?cookie=given").await, (503, None));
    visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_eq!(claims_of(&visitor), claims, "picture and socket are of one scene");

    let without_cookies = reqwest::get(world.url("/wx/qrcode/7?cookie=given")).await.unwrap();
    assert_eq!(without_cookies.status(), StatusCode::FORBIDDEN);
    assert_eq!(without_cookies.json::<Value>().await.unwrap()["code"], "cookie_missing");
}
