//! Connections on which nothing comes, or next to nothing: each ends, and meanwhile others are served.

use std::time::Instant;

use scenecast_loadtest::hostile::{drip, websocket::HANDSHAKE};
use tokio::task::JoinSet;

use super::*;

/// By when each of them has ended: the longest limit, of 10 s, and time for a crowd.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_crowd_that_says_next_to_nothing_ends_and_slows_no_login() {
    let world = World::compatible(Bus::memory(), Limits::default(), compatible::all()).await;
    let post = "POST /v1/scenes HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n";
    // A text's head, masked, and then some of it.
    let text = [&[0x81, 0xfe, 0x0f, 0xff][..], &[b'x'; 1000]].concat();
    let mut crowd = JoinSet::new();
    for (to, at_once, by_the_drop) in [
        (world.address, "", &[][..]),
        (world.address, "", HANDSHAKE.as_bytes()),
        (world.address, HANDSHAKE, &[]),
        (world.address, HANDSHAKE, &text),
        (world.address, post, &[b'x'; 1000]),
        (world.on_open.unwrap(), "", &[]),
        (world.on_open.unwrap(), "", HANDSHAKE.as_bytes()),
    ] {
        for _ in 0..60 {
            let by_the_drop = by_the_drop.to_owned();
            crowd.spawn(async move { drip(to, at_once.as_bytes(), &by_the_drop).await.unwrap() });
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
