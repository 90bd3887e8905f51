//! What clients that break the protocol cost a gateway.

use scenecast_browsers::raw_websocket::{CONTINUE, FIN, RawWebSocket, TEXT, announced, frame_of, resume_of};

use super::*;

/// How many clients never finish their message.
const PEERS: u32 = 200;
/// What each client may cost, in bytes: the buffers of a message and of a frame, and as much for the socket itself.
const COST: u32 = 16 * 1024;
/// What the first requests of the test may cost once, in bytes.
const FIXED_COST: u32 = 4 * 1024 * 1024;

async fn resident(cluster: &Cluster) -> f64 {
    metric(cluster.gateway_admin(0), "process_resident_memory_bytes").await
}

#[tokio::test]
async fn clients_that_never_finish_cost_little_and_stop_no_login() {
    let cluster = Cluster::start(1, 1).await;
    let (mut page, opened) = open(&cluster, 0).await;
    let before = resident(&cluster).await;
    let unfinished = [resume_of(&opened.key), frame_of(TEXT, &[b'x'; 4000]), announced(CONTINUE, 4096), vec![0; 4095]];
    let mut peers = vec![];
    for _ in 0..PEERS {
        let mut peer = RawWebSocket::connect(cluster.gateway_address(0)).await.unwrap();
        assert!(peer.send(&unfinished.concat()).await);
        let resumed = within("it is resumed", peer.frame()).await;
        assert_eq!(resumed.map(|(first, _)| first), Some(FIN | TEXT));
        peers.push(peer);
    }
    let grown = resident(&cluster).await - before;
    assert!(grown < f64::from(PEERS * COST + FIXED_COST), "by {grown} bytes");

    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    frame(&mut page, "confirmed").await;
    let event = within("they get the event too", peers[0].frame()).await.map(|(_, frame)| frame);
    assert!(String::from_utf8(event.unwrap()).unwrap().contains("\"confirmed\""));
}
