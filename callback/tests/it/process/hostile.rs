//! Hostile requests on every route of both listeners.

use futures_util::future::join_all;
use scenecast_testing::{exchange, hostile_requests};

use crate::world::{CallbackWorld, event, signed};

const PUBLIC: [(&str, &str); 6] = [
    ("GET", "/wechat/demo"),
    ("POST", "/wechat/demo"),
    ("POST", "/wechat/demo?timestamp=1&nonce=%00&signature=%ff&encrypt_type=aes&msg_signature="),
    ("POST", "/v1/miniapp/scan"),
    ("POST", "/v1/miniapp/confirm"),
    ("GET", "/anything"),
];
const INTERNAL: [(&str, &str); 6] = [
    ("POST", "/internal/scenes/open"),
    ("POST", "/internal/scenes/reopen"),
    ("POST", "/internal/scenes/cancel"),
    ("POST", "/v1/redeem"),
    ("GET", "/v1/accounts/demo/users/oAnn"),
    ("PUT", "/v1/accounts/demo/users/oAnn/registration"),
];

#[tokio::test]
async fn each_hostile_request_gets_one_answer_at_most_and_deliveries_go_on() {
    let world = CallbackWorld::new().await;
    let (public, internal) = (world.pod().public, world.pod().internal);
    let routes = PUBLIC.map(|route| (public, route)).into_iter().chain(INTERNAL.map(|route| (internal, route)));
    let asked: Vec<_> = routes
        .flat_map(|(address, (method, path))| hostile_requests(method, path).into_iter().map(move |it| (address, it)))
        .collect();
    let answers = asked.iter().map(async |(address, request)| exchange(*address, request.as_bytes()).await);
    for ((_, request), (statuses, answer)) in asked.iter().zip(join_all(answers).await) {
        let finals: Vec<_> = statuses.iter().filter(|status| **status != 100).collect();
        assert!(finals.len() <= 1 && finals.iter().all(|status| **status < 500), "{request:.300}\n{answer:.300}");
        assert!(finals.iter().all(|status| **status >= 400), "nothing of it is done: {request:.300}\n{answer:.300}");
    }
    let delivered = world.delivery("demo", &signed(), event("SCAN", "x")).send().await.unwrap();
    assert_eq!(delivered.status(), 200);
}

#[tokio::test]
async fn both_ports_answer_probes() {
    let world = CallbackWorld::new().await;
    for address in [world.pod().public, world.pod().internal] {
        for path in ["/healthz", "/readyz"] {
            let probe = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
            assert_eq!(exchange(address, probe.as_bytes()).await.0, [200], "{address}{path}");
        }
    }
}
