//! Requests of WeChat, sites, gateways and Prometheus at the port for browsers.

use reqwest::Method;
use scenecast_testing::{LogText, RedisServer};

use crate::fixtures::{GatewayWorld, ORIGIN, RecordingCallback};

/// What others send, and where it belongs.
const MISPLACED: [(Method, &str, &str); 8] = [
    (Method::POST, "/wechat/demo?signature=s&timestamp=1&nonce=2", "the callbacks' listen.public"),
    (Method::GET, "/wx/callback?signature=s&timestamp=1&nonce=2&echostr=e", "the callbacks' listen.public"),
    (Method::POST, "/v1/miniapp/scan", "the callbacks' listen.public"),
    (Method::POST, "/v1/redeem", "the callbacks' listen.internal"),
    (Method::GET, "/v1/accounts/demo/users/o-hush", "the callbacks' listen.internal"),
    (Method::PUT, "/v1/accounts/demo/users/o-hush/registration", "the callbacks' listen.internal"),
    (Method::POST, "/internal/scenes/open", "the callbacks' listen.internal"),
    (Method::GET, "/metrics", "listen.admin"),
];
/// What belongs nowhere, or here.
const OTHERS: [(Method, &str); 5] = [
    (Method::GET, "/"),
    (Method::GET, "/favicon.ico"),
    (Method::PUT, "/v1/ws"),
    (Method::GET, "/v1/scenes"),
    (Method::GET, "/v1/scenecast.css"),
];

#[tokio::test]
async fn a_request_for_another_listener_is_refused_without_detail_and_the_log_says_where_it_belongs() {
    for (method, path, belongs_at) in MISPLACED {
        // Each has its own, since only one line a second is logged.
        let world = GatewayWorld::new().await;
        let log = LogText::default();
        let _guard = tracing::subscriber::set_default(log.subscriber());
        let request = reqwest::Client::new().request(method.clone(), format!("http://{}{path}", world.address));
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), 404, "{path}");
        let answer = refused.text().await.unwrap();
        assert!(!answer.contains("listen") && !answer.contains("hush"), "{answer}");
        let lines = log.lines_with(&["belongs to another listener", belongs_at, "peer=127.0.0.1:"]);
        assert!(lines.len() == 1 && !lines[0].contains("hush"), "{method} {path}: {}", log.text());
        assert_eq!(world.metric("bad_requests_total{why=\"misplaced\"}"), 1);
    }
    let world = GatewayWorld::new().await;
    for (method, path) in OTHERS {
        let request = reqwest::Client::new().request(method, format!("http://{}{path}", world.address));
        assert!(request.header("origin", ORIGIN).send().await.unwrap().status().is_client_error(), "{path}");
    }
    assert_eq!(world.metric("bad_requests_total{why=\"misplaced\"}"), 0);
}

#[tokio::test]
async fn the_port_for_codes_on_open_takes_any_path_of_pages_and_names_what_is_none() {
    let redis = RedisServer::start().await;
    let world = GatewayWorld::with_callback(&redis, &RecordingCallback::start().await).await;
    let address = world.qr_on_open.unwrap();
    for (path, counted) in [("/any", 0), ("/wechat/demo", 1), ("/v1/redeem", 2), ("/metrics", 3), ("/v1/ws", 3)] {
        let refused = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        assert!(refused.status().is_client_error(), "{path}");
        assert_eq!(world.metric("bad_requests_total{why=\"misplaced\"}"), counted, "{path}");
    }
}
