//! How calls of WeChat's API leave the cluster.

use scenecast_scene::internal::OPEN_PATH;
use serde_json::Value;

use crate::world::{CallbackWorld, HttpsProxy, LIFE, logs, new_scene, opening};

async fn open(world: &CallbackWorld) -> Value {
    world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await.json().await.unwrap()
}

#[tokio::test]
async fn calls_go_through_the_configured_proxy() {
    let world = CallbackWorld::with(None, |config| {
        // The simulator takes the requests of a proxy, too, which name the host that they are for.
        let simulator = config.wechat.api_base.join("");
        config.outbound.wechat_proxy = Some(simulator.try_into().unwrap());
        config.wechat.api_base = "http://known-to-the-proxy.invalid".to_owned().try_into().unwrap();
    });
    let opened = open(&world.await).await;
    assert!(opened["qr"].is_object(), "{opened}");
}

#[tokio::test]
async fn a_call_over_https_asks_the_proxy_for_a_tunnel_and_shows_it_nothing() {
    let mut proxy = HttpsProxy::start().await;
    let world = CallbackWorld::with(None, |config| {
        config.outbound.wechat_proxy = Some(proxy.url.clone());
        config.wechat.api_base = "https://known-to-the-proxy.invalid".to_owned().try_into().unwrap();
    });
    let opened = open(&world.await).await;
    assert_eq!(opened["code"], "wechat_unavailable");
    let head = proxy.next().await;
    assert!(head.starts_with("CONNECT known-to-the-proxy.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("stable_token") && !head.contains("secret"), "{head}");
}

#[tokio::test]
async fn a_name_that_is_not_found_is_named_in_the_log() {
    // So long a label that the system asks no name server.
    let misspelt = "wechat".repeat(11);
    let world = CallbackWorld::with(None, |config| {
        config.wechat.api_base = format!("http://{misspelt}").try_into().unwrap();
    });
    let opened = open(&world.await).await;
    assert_eq!(opened["code"], "wechat_unavailable");
    let log = logs::text();
    let cause = format!("name resolution of {misspelt} failed");
    assert!(log.contains(&format!("WeChat could not be reached: {cause}")), "the cause is in the call's own line");
}
