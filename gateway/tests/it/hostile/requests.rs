//! Hostile requests to every route.

use futures_util::future::join_all;
use scenecast_testing::{exchange, hostile_requests};

use super::Bystander;
use crate::fixtures::GatewayWorld;

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
async fn each_hostile_request_has_one_answer_at_most_and_other_pages_are_served() {
    let world = GatewayWorld::compatible().await;
    let bystander = Bystander::watching(&world).await;
    let qr_on_open = world.qr_on_open.unwrap();
    let requests = ROUTES.map(|(method, path)| hostile_requests(method, path)).concat();
    let answers = requests.iter().flat_map(|request| [world.address, qr_on_open].map(|address| (request, address)));
    let answers = answers.map(async |(request, address)| (request, exchange(address, request.as_bytes()).await));
    for (request, (statuses, answer)) in join_all(answers).await {
        // No callback is there to open a scene.
        let is_fine = |status: &u16| (100..500).contains(status) || *status == 503;
        let finals = statuses.iter().filter(|status| **status != 100).count();
        assert!(finals <= 1 && statuses.iter().all(is_fine), "{request:.300}\n{answer:.300}");
    }
    assert_eq!(world.reader.watched_scenes(), 1);
    bystander.gets_login(&world).await;
}
