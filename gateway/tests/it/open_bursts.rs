//! Many pages open scenes at the same time.

use axum::http::StatusCode;
use reqwest::Method;
use scenecast_gateway::config::GatewayLimits;
use scenecast_testing::until;
use serde_json::json;
use tokio::task::JoinSet;

use crate::fixtures::{GatewayWorld, SlowCallback};

const AT_A_TIME: u32 = 40;
const PAGES: usize = 60;

#[tokio::test]
async fn pages_beyond_wait_for_their_turn_and_no_connections_are_left_behind() {
    let limits = GatewayLimits { calls: AT_A_TIME.try_into().unwrap(), ..GatewayLimits::default() };
    let at_a_time = AT_A_TIME as usize;
    let callback = SlowCallback::start().await;
    let world = GatewayWorld::with_callback_at(callback.url.clone(), limits).await;
    let client = reqwest::Client::new();
    let mut pages = JoinSet::new();
    for _ in 0..PAGES {
        let open = world.request_by(&client, Method::POST, "/v1/scenes").json(&json!({ "account": "demo" }));
        pages.spawn(async move { open.send().await.unwrap().status() });
    }
    until("as many calls have come as may", async || callback.calls() == at_a_time).await;
    callback.answer(1);
    until("the next page has its turn", async || callback.calls() == at_a_time + 1).await;

    callback.answer(PAGES);
    while let Some(status) = pages.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::CREATED, "nobody is refused");
    }
    until("what the burst took is given back", async || callback.connections() == 0).await;
    assert_eq!(world.metric("turned_away_total{why=\"calls\"}"), 0);
    assert_eq!(world.metric("opens_total{outcome=\"opened\"}"), PAGES as u64);
}
