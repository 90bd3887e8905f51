//! Pages that get a QR code on open: their scene is their socket.

use std::time::Duration;

use scenecast_browsers::cookie_browser::{CookieBrowser, PageSocket, SocketMessage};
use scenecast_scene::testing::{confirm, scan};
use scenecast_testing::{FaultProxy, RedisServer};

use super::next;
use crate::fixtures::{GatewayWorld, LIFE, RecordingCallback, Scene};

/// A page with its code, and its scene.
async fn page(world: &GatewayWorld, callback: &mut RecordingCallback, proxy: &FaultProxy) -> (PageSocket, Scene) {
    let mut page = CookieBrowser::default().connect(&format!("ws://{}/", proxy.address())).await.unwrap();
    let (id, _) = callback.next_opened().await;
    let scene = world.store(Scene { id, key: String::new() }, LIFE).await;
    assert!(matches!(next(&mut page).await, SocketMessage::Text(_)), "the code's address");
    (page, scene)
}

#[tokio::test]
async fn a_scan_finds_out_whether_the_page_is_still_there() {
    let redis = RedisServer::start().await;
    let mut callback = RecordingCallback::start().await;
    let world = GatewayWorld::with_callback(&redis, &callback).await;
    let proxy = FaultProxy::start(vec![world.qr_on_open.unwrap()]).await;

    let (_dead, left) = page(&world, &mut callback, &proxy).await;
    proxy.stall();
    let (mut there, scene) = page(&world, &mut callback, &proxy).await;
    for scanned in [&left, &scene] {
        world.settle(scanned, scan("Ann")).await;
    }
    // An idle page whose network died in silence is noticed after 35 s only.
    let silence = tokio::time::timeout(Duration::from_secs(7), there.next_message());
    let (cancelled, silence) = tokio::join!(callback.next_cancelled(), silence);
    assert_eq!((cancelled, world.reader.watched_scenes()), (left.id, 1));
    assert!(silence.is_err(), "a page that is there stays: {silence:?}");

    world.settle(&scene, confirm(&scene.grant(), "Ann")).await;
    let login = next(&mut there).await;
    assert!(matches!(&login, SocketMessage::Text(text) if text.contains("scan_success")), "{login:?}");
}
