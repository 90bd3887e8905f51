//! Connections on which clients send nothing, or next to nothing. Each ends, and meanwhile the gateway serves others.
//! A connection that has had a request is kept for the next one, as long as proxies keep theirs.

use std::time::{Duration, Instant};

use scenecast_browsers::{raw_websocket::HANDSHAKE, slow_sender::send_slowly};
use scenecast_gateway::config::GatewayLimits;
use scenecast_service::config::Seconds;
use scenecast_testing::until;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::fixtures::{GatewayWorld, frame, log_in};

/// The time in which all of them end: the longest timeout, 10 s, and some for the number of connections.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn hundreds_of_slow_clients_are_cut_off_and_delay_no_login() {
    let world = GatewayWorld::compatible().await;
    let post = "POST /v1/scenes HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n";
    // The header of a masked text frame, and a part of its payload.
    let text = [&[0x81, 0xfe, 0x0f, 0xff][..], &[b'x'; 1000]].concat();
    let mut clients = JoinSet::new();
    for (to, at_once, dripped) in [
        (world.address, "", &[][..]),
        (world.address, "", HANDSHAKE.as_bytes()),
        (world.address, HANDSHAKE, &[]),
        (world.address, HANDSHAKE, &text),
        (world.address, post, &[b'x'; 1000]),
        (world.qr_on_open.unwrap(), "", &[]),
        (world.qr_on_open.unwrap(), "", HANDSHAKE.as_bytes()),
    ] {
        for _ in 0..60 {
            let dripped = dripped.to_owned();
            clients.spawn(async move { send_slowly(to, at_once.as_bytes(), &dripped).await.unwrap() });
        }
    }
    until("their WebSockets are open", async || world.metric("connections_open{transport=\"websocket\"}") >= 120).await;
    for _ in 0..20 {
        let began = Instant::now();
        let scene = world.scene().await;
        let mut page = world.page_of(&scene).await;
        world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
        assert_eq!(frame(&mut page).await.kind, "confirmed");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    let took = tokio::time::timeout(ENDED_WITHIN, clients.join_all()).await.expect("each of them ends");
    assert!(took.iter().all(|took| *took >= Duration::from_secs(1)), "no client is cut off at once");
    world.metric_is("connections_open{transport=\"websocket\"}", 0).await;
}

#[tokio::test]
async fn a_connection_is_kept_between_two_requests_for_as_long_as_the_setting_says() {
    let keep_alive = Seconds::new(1);
    let world = GatewayWorld::with_limits(GatewayLimits { keep_alive, ..GatewayLimits::default() }).await;
    let mut connection = TcpStream::connect(world.address).await.unwrap();
    let began = Instant::now();
    connection.write_all(b"GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let kept = began.elapsed();
    assert!(kept >= keep_alive.duration() && kept < Duration::from_secs(8), "{kept:?}");
}
