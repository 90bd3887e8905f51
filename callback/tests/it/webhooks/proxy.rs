//! How webhooks leave the cluster.

use scenecast_callback::config::{WebhookSettings, WebhookTarget};

use super::fixture::{Backend, settings};
use crate::world::{CallbackWorld, HttpsProxy, demo};

fn json_to(url: &str) -> WebhookSettings {
    settings(WebhookTarget::Json(url.to_owned().try_into().unwrap()))
}

#[tokio::test]
async fn webhooks_go_through_the_configured_proxy_and_calls_of_wechat_do_not() {
    // It takes the requests of a proxy, too, which name the host that they are for.
    let mut proxy = Backend::good().await;
    let world = CallbackWorld::with(None, |config| {
        config.outbound.webhook_proxy = Some(proxy.url().to_string().try_into().unwrap());
        demo(config).webhooks = Some(json_to("http://known-to-the-proxy.invalid/hook"));
    })
    .await;
    let (_, qr_url) = world.open().await;
    world.scan("dora", &qr_url).await;
    for _ in 0..2 {
        let told = proxy.next().await;
        assert_eq!((told.path.as_str(), told.header("host")), ("/hook", "known-to-the-proxy.invalid"));
        assert!(told.json()["type"].as_str().unwrap().starts_with("user."));
    }
    assert_eq!(proxy.more(), 0, "WeChat was called without the proxy");
}

#[tokio::test]
async fn a_webhook_over_https_asks_the_proxy_for_a_tunnel_and_shows_it_nothing() {
    let mut proxy = HttpsProxy::start().await;
    let world = CallbackWorld::with(None, |config| {
        config.outbound.webhook_proxy = Some(proxy.url.clone());
        demo(config).webhooks = Some(json_to("https://known-to-the-proxy.invalid/hook?secret=1"));
    })
    .await;
    let (_, qr_url) = world.open().await;
    world.scan("dora", &qr_url).await;
    let head = proxy.next().await;
    assert!(head.starts_with("CONNECT known-to-the-proxy.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("webhook-") && !head.contains("hook?"), "{head}");
}
