//! Connections on which nothing comes, or next to nothing: each ends, and meanwhile others are served.

use std::{net::SocketAddr, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::*;

/// A handshake, on the public listener and on the one for QR codes on open.
const HANDSHAKE: &str = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: scenecast.v1\r\n\r\n";
/// By when each of them has ended: the longest limit, of 10 s, and time for a crowd.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// Sends this, and then the rest a byte every 100 ms, until the other end closes; how long that took.
async fn drip(to: SocketAddr, at_once: &str, drop_by_drop: &str) -> Duration {
    let (since, mut stream) = (Instant::now(), TcpStream::connect(to).await.unwrap());
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(at_once.as_bytes()).await?;
        for byte in drop_by_drop.bytes() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            writer.write_all(&[byte]).await?;
        }
        std::future::pending::<std::io::Result<()>>().await
    };
    let mut read = vec![];
    tokio::select! {
        // It fails where what came too late is reset.
        _ = reader.read_to_end(&mut read) => {}
        written = write => assert!(written.is_err()),
    }
    since.elapsed()
}

#[tokio::test]
async fn a_crowd_that_says_next_to_nothing_ends_and_slows_no_login() {
    let world = World::compatible(Bus::memory(), Limits::default(), compatible::all()).await;
    let post = "POST /v1/scenes HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n";
    let endless = "x".repeat(1000);
    let mut crowd = JoinSet::new();
    for (to, at_once, drop_by_drop) in [
        (world.address, "", ""),
        (world.address, "", HANDSHAKE),
        (world.address, HANDSHAKE, ""),
        (world.address, HANDSHAKE, endless.as_str()),
        (world.address, post, endless.as_str()),
        (world.on_open.unwrap(), "", ""),
        (world.on_open.unwrap(), "", HANDSHAKE),
    ] {
        for _ in 0..60 {
            let (at_once, drop_by_drop) = (at_once.to_owned(), drop_by_drop.to_owned());
            crowd.spawn(async move { drip(to, &at_once, &drop_by_drop).await });
        }
    }
    until("they hold what they can", async || world.metric("connections_open{transport=\"websocket\"}") >= 120).await;
    for _ in 0..20 {
        let (since, scene) = (Instant::now(), world.scene().await);
        let mut page = world.page().await;
        page.resume(&scene.key, 0).await.unwrap();
        frame(&mut page).await;
        world.settle(&scene, log_in(&scene)).await;
        assert_eq!(frame(&mut page).await.kind, "confirmed");
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    }
    let took = tokio::time::timeout(ENDED_WITHIN, crowd.join_all()).await.expect("each of them ends");
    assert!(took.iter().all(|took| *took >= Duration::from_secs(1)), "none is cut that is only slow");
    until("nothing is left", async || world.metric("connections_open{transport=\"websocket\"}") == 0).await;
}
