//! Beyond the ceiling.

use std::time::Duration;

use reqwest::StatusCode;
use scenecast_callback::config::Limits;
use scenecast_shared::internal::CANCEL_PATH;
use serde_json::json;
use tokio::net::TcpStream;

use crate::world::{World, event, new_scene, problem, signed};

#[tokio::test]
async fn wechat_gets_no_answer_and_delivers_again_and_gateways_are_told() {
    let world = World::with(None, |settings| settings.limits = Limits::new(1.try_into().unwrap())).await;
    let webhook = || world.webhook("demo", &signed(), event("SCAN", "a-poster")).send();

    let held = TcpStream::connect(world.pod().public).await.unwrap();
    assert!(webhook().await.is_err(), "a connection that closes without a byte");
    drop(held);
    // The place is given back when the callback hears of the end.
    let given_back = async { while webhook().await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), given_back).await.expect("the place is given back");

    let _held = TcpStream::connect(world.pod().internal).await.unwrap();
    let refused = world.call(world.pod(), CANCEL_PATH, &json!({ "scene": new_scene("demo") })).await;
    assert_eq!(refused.headers()["connection"], "close");
    assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "crowded");
}
