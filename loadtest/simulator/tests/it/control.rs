//! The control routes.

use reqwest::StatusCode;
use scenecast_simulator::EncryptionMode;
use scenecast_wechat::MessageKind;
use serde_json::json;

use crate::{scripted_callback::Callback, world::SimulatorWorld};

#[tokio::test]
async fn faults_are_read_and_set() {
    let world = SimulatorWorld::new().await;
    let fault = json!({ "path": "/cgi-bin/stable_token", "times": 1, "failure": { "code": 45011 } });
    let set = world.http.put(world.url("/sim/faults")).json(&json!({ "calls": [fault] })).send().await.unwrap();
    assert_eq!(set.status(), StatusCode::NO_CONTENT);
    assert_eq!(world.get_json("/sim/faults").await["calls"][0]["failure"]["code"], 45011);
    assert_eq!(world.stable_token().await["errcode"], 45011);
    assert_eq!(world.get_json("/sim/faults").await["calls"], json!([]));
    assert_eq!(world.get_json("/sim/calls").await, json!({ "/cgi-bin/stable_token": { "45011": 1 } }));
}

#[tokio::test]
async fn a_fault_that_does_not_exist_is_refused() {
    let world = SimulatorWorld::new().await;
    let set = world.http.put(world.url("/sim/faults")).json(&json!({ "earthquake": true })).send().await.unwrap();
    assert_eq!(set.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_key_is_changed() {
    let callback = Callback::saying("success").await;
    let world = SimulatorWorld::with(|account| {
        account.mode = EncryptionMode::Safe;
        account.callbacks = vec![callback.url()];
    })
    .await;
    let put = async |account: &str, key: &str| {
        let url = world.url(&format!("/sim/accounts/{account}/aes-key"));
        world.http.put(url).json(&key).send().await.unwrap().status()
    };
    let key = "A".repeat(43);
    assert_eq!(put("demo", &key).await, StatusCode::NO_CONTENT);
    assert_eq!(put("other", &key).await, StatusCode::NOT_FOUND);
    assert_eq!(put("demo", "short").await, StatusCode::UNPROCESSABLE_ENTITY);
    world.say("ann", "hi").await;
    assert_eq!(
        callback.received()[0].decrypted(&key.parse().unwrap()).message().kind,
        MessageKind::Text("hi".to_owned())
    );
}

#[tokio::test]
async fn tokens_are_expired() {
    let world = SimulatorWorld::new().await;
    let token = world.access_token().await;
    world.http.delete(world.url("/sim/tokens")).send().await.unwrap();
    assert_ne!(world.access_token().await, token);
}
