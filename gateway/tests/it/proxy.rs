//! nginx before the gateways, with the configuration that we ship.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use reqwest::StatusCode;
use scenecast_browsers::login_page::LoginPage;
use scenecast_testing::{Nginx, RedisServer};
use tokio::net::TcpListener;

use crate::fixtures::{GatewayWorld, ORIGIN, RecordingCallback, Scene, frame, reconnect_delay_ms};

/// nginx before these gateways, and its address.
async fn proxied(gateways: [SocketAddr; 2]) -> (Nginx, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let [first, second] = gateways;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx/gateway.conf");
    let config = std::fs::read_to_string(shipped)
        .unwrap()
        .replace("listen 80;", &format!("listen {address};"))
        .replace("10.0.1.1:8080", &first.to_string())
        .replace("10.0.1.2:8080", &second.to_string());
    (Nginx::start(|_| config).await, address)
}

/// A page that waits for this scene's events behind a proxy.
async fn page_behind(proxy: SocketAddr, scene: &Scene) -> LoginPage {
    let mut page = LoginPage::connect(&proxy.to_string(), ORIGIN).await.unwrap();
    page.resume(&scene.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "resumed");
    page
}

#[tokio::test]
async fn a_gateway_behind_nginx_tells_its_pages_when_to_come_back_and_they_reach_another() {
    let leaving = GatewayWorld::new().await;
    let staying = leaving.neighbour().await;
    let (_nginx, address) = proxied([leaving.address, staying.address]).await;
    let scene = leaving.scene().await;
    // nginx takes the gateways in turn.
    let mut pages = [page_behind(address, &scene).await, page_behind(address, &scene).await];
    let open = "connections_open{transport=\"websocket\"}";
    leaving.metric_is(open, 1).await;
    staying.metric_is(open, 1).await;

    let (_, shutdown) = leaving.start_shutdown();
    assert!(reconnect_delay_ms(&mut pages[0], 1012).await <= 1000);
    shutdown.await.unwrap();
    for _ in 0..2 {
        drop(page_behind(address, &scene).await);
    }
}

#[tokio::test]
async fn a_browser_behind_nginx_does_not_choose_its_address() {
    let redis = RedisServer::start().await;
    let mut callback = RecordingCallback::start().await;
    let world = GatewayWorld::with_callback(&redis, &callback).await;
    let (_nginx, address) = proxied([world.address; 2]).await;
    // nginx itself is 127.0.0.1, which the gateway trusts.
    let browser: IpAddr = "127.0.0.2".parse().unwrap();
    let client = reqwest::Client::builder().local_address(browser).build().unwrap();
    for claimed in ["203.0.113.1", "203.0.113.1, 127.0.0.1", "unknown"] {
        let request = client.post(format!("http://{address}/v1/scenes")).header("x-forwarded-for", claimed);
        let opened = request.header("origin", ORIGIN).body("{\"account\":\"demo\"}").send().await.unwrap();
        assert_eq!(opened.status(), StatusCode::CREATED);
        assert_eq!(callback.next_opened().await.1.address, Some(browser), "{claimed}");
    }
}
