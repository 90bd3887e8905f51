//! What peers that keep to no rule cost a gateway.

use scenecast_loadtest::hostile::websocket::{CONTINUE, FIN, Raw, TEXT, announced, frame_of, resume_of};

use super::*;

/// How many never finish what they say.
const PEERS: u32 = 200;
/// What each may cost, in bytes: what is kept of a message and of a frame, and as much for the socket itself. What
/// the test's first requests cost comes on top.
const COST: u32 = 16 * 1024;
const TOP: u32 = 4 * 1024 * 1024;

async fn resident(cluster: &Cluster) -> f64 {
    metric(cluster.gateway_admin(0), "process_resident_memory_bytes").await
}

#[tokio::test]
async fn whoever_never_finishes_costs_little_and_keeps_nobody_from_logging_in() {
    let cluster = Cluster::start(1, 1).await;
    let (mut page, opened) = open(&cluster, 0).await;
    let before = resident(&cluster).await;
    let half_said = [resume_of(&opened.key), frame_of(TEXT, &[b'x'; 4000]), announced(CONTINUE, 4096), vec![0; 4095]];
    let mut peers = vec![];
    for _ in 0..PEERS {
        let mut peer = Raw::connect(cluster.gateway_address(0)).await.unwrap();
        assert!(peer.send(&half_said.concat()).await);
        let resumed = within("it is resumed", peer.frame()).await;
        assert_eq!(resumed.map(|(first, _)| first), Some(FIN | TEXT));
        peers.push(peer);
    }
    let grown = resident(&cluster).await - before;
    assert!(grown < f64::from(PEERS * COST + TOP), "by {grown} bytes");

    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    frame(&mut page, "confirmed").await;
    let told = within("they are told, too", peers[0].frame()).await.map(|(_, frame)| frame);
    assert!(String::from_utf8(told.unwrap()).unwrap().contains("\"confirmed\""));
}
