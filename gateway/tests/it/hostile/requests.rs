//! Requests that mean no good, on every route.

use futures_util::future::join_all;
use scenecast_shared::testing::{exchange, hostile_requests};

use super::*;

const ROUTES: [(&str, &str); 15] = [
    ("GET", "/v1/scenecast.js"),
    ("POST", "/v1/scenes"),
    ("GET", "/v1/scenes/AAAAAAAAAAAAAAAAAAAAAA"),
    ("DELETE", "/v1/scenes/AAAAAAAAAAAAAAAAAAAAAA"),
    ("GET", "/v1/scenes/AAAAAAAAAAAAAAAAAAAAAA/events"),
    ("GET", "/v1/ws"),
    ("GET", "/wx/qrcode/7"),
    ("GET", "/wx/result/7"),
    ("GET", "/wx/websocket/7"),
    ("GET", "/websocket?clientid=7"),
    ("POST", "/miniapp/getwxacodeunlimit"),
    ("GET", "/createQrCode"),
    ("POST", "/wxLogin"),
    ("GET", "/getWxUserInfo"),
    ("GET", "/login/code"),
];

#[tokio::test]
async fn each_is_answered_once_at_most_and_nobody_else_notices() {
    let world = compatible::world().await;
    let bystander = Bystander::watching(&world).await;
    let on_open = world.on_open.unwrap();
    let asked = ROUTES.map(|(method, path)| hostile_requests(method, path)).concat();
    let answers = asked.iter().flat_map(|request| [world.address, on_open].map(|address| (request, address)));
    let answers = answers.map(async |(request, address)| (request, exchange(address, request.as_bytes()).await));
    for (request, (statuses, answer)) in join_all(answers).await {
        // No callback is there to open a scene.
        let is_fine = |status: &u16| (100..500).contains(status) || *status == 503;
        let finals = statuses.iter().filter(|status| **status != 100).count();
        assert!(finals <= 1 && statuses.iter().all(is_fine), "{request:.300}\n{answer:.300}");
    }
    assert_eq!(world.bus.held(), 1);
    bystander.logs_in(&world).await;
}
