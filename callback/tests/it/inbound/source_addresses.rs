//! From which addresses deliveries come, for accounts that check it.

use std::time::Duration;

use axum::{
    Json, Router,
    routing::{get, post},
};
use reqwest::{Response, StatusCode};
use scenecast_service::{
    config::DrainConfig,
    listener::{Listener, ListenerLimits},
    shutdown::Shutdown,
};
use serde_json::{Value, json};

use crate::world::{CallbackWorld, any_port, event, name, problem, signed};

const OF_WECHAT: &str = "101.226.103.7";
const OF_NOBODY: &str = "203.0.113.9";

/// A WeChat that only tells its addresses, with this answer.
async fn tells(answer: Value) -> String {
    let token = || async { Json(json!({ "access_token": "97_token", "expires_in": 7200 })) };
    let router = Router::new()
        .route("/cgi-bin/stable_token", post(token))
        .route("/cgi-bin/getcallbackip", get(|| async { Json(answer) }));
    let limits = ListenerLimits { connections: 10, idle: Duration::from_secs(10) };
    let listener = Listener::bind("addresses", any_port(), limits).await.unwrap();
    let address = format!("http://{}", listener.address());
    tokio::spawn(listener.serve(router, Shutdown::new(DrainConfig::default())));
    address
}

/// One callback behind a proxy on this machine. Its account `demo` checks the source addresses.
async fn checking(answer: Value) -> CallbackWorld {
    let api = tells(answer).await;
    CallbackWorld::with(None, |settings| {
        settings.wechat.api_base = api.try_into().unwrap();
        settings.trusted_proxies = serde_json::from_value(json!(["127.0.0.1"])).unwrap();
        settings.accounts.get_mut(&name("demo")).unwrap().check_source_address = true;
    })
    .await
}

async fn from(world: &CallbackWorld, address: &str) -> Response {
    let delivery = world.delivery("demo", &signed(), event("LOCATION", "")).header("x-forwarded-for", address);
    delivery.send().await.unwrap()
}

#[tokio::test]
async fn once_wechats_addresses_are_known_other_addresses_are_refused() {
    let odd = ["", "101.226.103.0/33", "all", "dispatch.weixin.qq.com"];
    let world =
        checking(json!({ "ip_list": [odd[0], "127.0.0.1", odd[1], null, "101.226.103.0/25", odd[2], odd[3]] })).await;
    assert_eq!(from(&world, OF_NOBODY).await.status(), StatusCode::OK, "the signature has to do at first");
    assert_eq!(world.pod().metric("scenecast_delivery_sources_total{source=\"unknown\"}"), 1);
    let known = async { while from(&world, OF_NOBODY).await.status() == StatusCode::OK {} };
    tokio::time::timeout(Duration::from_secs(10), known).await.expect("the addresses come");

    assert_eq!(problem(from(&world, OF_NOBODY).await, StatusCode::FORBIDDEN).await, "wrong_source");
    let last_hop_counts = format!("{OF_WECHAT}, {OF_NOBODY}");
    assert_eq!(problem(from(&world, &last_hop_counts).await, StatusCode::FORBIDDEN).await, "wrong_source");
    assert_eq!(from(&world, OF_WECHAT).await.status(), StatusCode::OK);
    assert_eq!(world.pod().metric("scenecast_delivery_sources_total{source=\"wechat\"}"), 1);
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"wrong_source\"}"), 3);
    let unchecked = world.delivery("other", &signed(), event("LOCATION", "").replace("gh_demo", "gh_other"));
    let unchecked = unchecked.header("x-forwarded-for", OF_NOBODY).send().await.unwrap();
    assert_eq!(unchecked.status(), StatusCode::OK, "an account that doesn't check");
    assert!(crate::world::logs::text().contains("WeChat told addresses that can't be read"));
}

#[tokio::test]
async fn an_empty_list_of_addresses_refuses_nobody_and_wechat_is_not_asked_again_at_once() {
    for answer in [json!({ "ip_list": [] }), json!({ "ip_list": ["all"] }), json!({ "errcode": 48001 }), json!("no")] {
        let world = checking(answer.clone()).await;
        let line =
            |result| format!("scenecast_wechat_calls_total{{call=\"/cgi-bin/getcallbackip\",result=\"{result}\"}}");
        let calls =
            || ["ok", "nonsense", "forbidden"].map(|result| world.pod().metric(&line(result))).iter().sum::<u64>();
        assert_eq!(from(&world, OF_NOBODY).await.status(), StatusCode::OK, "{answer}");
        let asked = async {
            while calls() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), asked).await.expect("WeChat is asked");
        for _ in 0..3 {
            assert_eq!(from(&world, OF_NOBODY).await.status(), StatusCode::OK, "{answer}");
        }
        assert_eq!(calls(), 1);
    }
}
