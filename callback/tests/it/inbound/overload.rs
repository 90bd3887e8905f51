//! Beyond its limits a callback answers in a way that makes WeChat deliver again, and clients come back.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use scenecast_browsers::slow_sender::send_slowly;
use scenecast_callback::config::CallbackLimits;
use scenecast_scene::internal::{CANCEL_PATH, OPEN_PATH};
use scenecast_testing::until;
use serde_json::json;
use tokio::net::TcpStream;

use crate::world::{
    CallbackWorld, LIFE, TestConfig, answer, event, event_at, new_scene, opening, problem, reply, signed, signed_by,
    unix_now,
};

/// Two addresses, as the ingress tells them.
const ANN: &str = "203.0.113.1";
const BOB: &str = "203.0.113.2";

/// One callback behind an ingress, with these limits.
async fn limited(limits: CallbackLimits) -> CallbackWorld {
    CallbackWorld::with(None, |settings: &mut TestConfig| {
        settings.limits = limits;
        settings.trusted_proxies = serde_json::from_str(r#"["127.0.0.1"]"#).unwrap();
    })
    .await
}

fn turned_away(world: &CallbackWorld, why: &str) -> u64 {
    world.pod().metric(&format!("scenecast_turned_away_total{{why=\"{why}\"}}"))
}

#[tokio::test]
async fn beyond_the_connections_wechat_gets_no_answer_and_gateways_get_a_503() {
    let world = limited(CallbackLimits::new(1.try_into().unwrap())).await;
    let deliver = || world.delivery("demo", &signed(), event("SCAN", "a-poster")).send();

    let held = TcpStream::connect(world.pod().public).await.unwrap();
    let since = Instant::now();
    assert!(deliver().await.is_err(), "a connection that closes without a byte");
    assert!(since.elapsed() > Duration::from_secs(5), "after WeChat has left: {:?}", since.elapsed());
    drop(held);
    // The connection counts until the callback sees that it has closed.
    let given_back = async { while deliver().await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), given_back).await.expect("the connection is freed");

    let _held = TcpStream::connect(world.pod().internal).await.unwrap();
    let refused = world.call(world.pod(), CANCEL_PATH, &json!({ "scene": new_scene("demo") })).await;
    assert_eq!(refused.headers()["connection"], "close");
    assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "crowded");
}

#[tokio::test]
async fn a_message_beyond_the_rate_is_delivered_again_and_logs_in() {
    let world = limited(CallbackLimits { deliveries_per_second: 1, ..CallbackLimits::default() }).await;
    let (scene, qr_url) = world.open().await;
    let first = world.delivery("demo", &signed(), event("SCAN", "a-poster")).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let outcome = world.scan("bo", &qr_url).await;
    assert_eq!(reply(&outcome), "You are logged in. Please go back to the page.");
    assert_eq!((outcome.attempts.len(), world.events(scene).await.len()), (2, 1));
    assert_eq!(turned_away(&world, "deliveries"), 1);
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"crowded\"}"), 1);
}

#[tokio::test]
async fn a_message_beyond_the_rate_uses_up_its_signature() {
    let mut world = limited(CallbackLimits { deliveries_per_second: 1, ..CallbackLimits::default() }).await;
    let other_pod = world.add_pod().await;
    let crowded = || world.pod().metric("scenecast_deliveries_total{outcome=\"crowded\"}");
    let mut held = tokio::task::JoinSet::new();
    let mut query = String::new();
    while crowded() == 0 {
        query = signed();
        let before = world.metric("scenecast_deliveries_total{outcome=\"acknowledged\"}");
        held.spawn(world.delivery("demo", &query, event("SCAN", "a-poster")).send());
        let is_counted =
            async || crowded() == 1 || world.metric("scenecast_deliveries_total{outcome=\"acknowledged\"}") > before;
        until("the message is counted", is_counted).await;
    }
    let url = format!("http://{}/wechat/demo?{query}", other_pod.public);
    let forged = world.http.post(url).body(event("SCAN", "another-poster")).send().await.unwrap();
    assert_eq!(problem(forged, StatusCode::FORBIDDEN).await, "signature_reused");
}

#[tokio::test]
async fn the_last_delivery_beyond_the_rate_asks_to_scan_again_at_once() {
    let world = limited(CallbackLimits { deliveries_per_second: 1, ..CallbackLimits::default() }).await;
    let sent = unix_now().as_secs() - 10;
    let mut told = String::new();
    let since = Instant::now();
    while turned_away(&world, "deliveries") == 0 {
        let scan = event_at(sent, "SCAN", &new_scene("demo").to_string());
        told = world.delivery("demo", &signed(), scan).send().await.unwrap().text().await.unwrap();
    }
    assert!(told.contains("Please scan again."), "{told}");
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test]
async fn junk_gets_no_answer_after_a_while_and_does_not_count_against_wechats_limit() {
    let limits = CallbackLimits { requests_per_address: 3, deliveries_per_second: 1, ..CallbackLimits::default() };
    let world = limited(limits).await;
    let send = |token, from| {
        let query = signed_by(token, unix_now().as_secs());
        world.delivery("demo", &query, event("SCAN", "a-poster")).header("x-forwarded-for", from).send()
    };
    for _ in 0..3 {
        assert_eq!(send("guessed", ANN).await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    assert!(send("guessed", ANN).await.is_err(), "a connection that closes without a byte");
    assert_eq!(turned_away(&world, "junk"), 1);
    assert_eq!(send("guessed", BOB).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(send(crate::world::TOKEN, ANN).await.unwrap().status(), StatusCode::OK, "genuine ones pass");
    assert_eq!(turned_away(&world, "deliveries"), 0);
}

#[tokio::test]
async fn each_address_has_a_limit_for_calls_of_mini_programs() {
    let world = limited(CallbackLimits { requests_per_address: 2, ..CallbackLimits::default() }).await;
    let scene = new_scene("mini");
    answer(world.call(world.pod(), OPEN_PATH, &opening(scene, "mini", LIFE)).await, StatusCode::OK).await;
    let scan = |from| {
        let body = json!({ "account": "mini", "js_code": "made-up", "scene": scene });
        let url = format!("http://{}/v1/miniapp/scan", world.pod().public);
        world.http.post(url).header("x-forwarded-for", from).body(body.to_string()).send()
    };
    for _ in 0..2 {
        assert_eq!(problem(scan(ANN).await.unwrap(), StatusCode::BAD_REQUEST).await, "js_code_invalid");
    }
    let refused = scan(ANN).await.unwrap();
    let back_in: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&back_in), "{back_in}");
    assert_eq!(problem(refused, StatusCode::TOO_MANY_REQUESTS).await, "too_many_requests");
    assert_eq!(turned_away(&world, "requests"), 1);
    assert_eq!(scan(BOB).await.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn slow_connections_are_closed_and_messages_are_answered_meanwhile() {
    let world = CallbackWorld::new().await;
    let (public, internal) = (world.pod().public, world.pod().internal);
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n");
    let delivery = post(&format!("/wechat/demo?{}", signed()));
    let mut crowd = tokio::task::JoinSet::new();
    for (to, at_once, by_the_drop) in [
        (public, String::new(), 0),
        (public, "POST /wechat/demo HTTP/1.1\r\nX: ".to_owned(), 1000),
        (public, delivery, 1000),
        (public, post("/v1/miniapp/scan"), 1000),
        (internal, String::new(), 0),
        (internal, "POST /v1/redeem HTTP/1.1\r\nX: ".to_owned(), 1000),
        (internal, post("/v1/redeem"), 1000),
        (internal, post(CANCEL_PATH), 1000),
    ] {
        for _ in 0..20 {
            let at_once = at_once.clone();
            crowd.spawn(async move { send_slowly(to, at_once.as_bytes(), &vec![b'x'; by_the_drop]).await.unwrap() });
        }
    }
    while !crowd.is_empty() {
        let since = Instant::now();
        let genuine = world.delivery("demo", &signed(), event("SCAN", "a-poster")).send().await.unwrap();
        assert_eq!(genuine.status(), StatusCode::OK);
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        let ended = tokio::time::timeout(Duration::from_secs(20), crowd.join_next()).await;
        ended.expect("each of them ends, after 10 s at most").unwrap().unwrap();
    }
}
