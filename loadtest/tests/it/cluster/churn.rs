//! Thousands of scenes end in every possible way and leave nothing behind.

use futures_util::future::join_all;

use tokio::sync::Semaphore;

use super::*;

/// The number of scenes in a round.
const SCENES: u64 = 600;
/// How many scenes open or end at a time. The others wait.
const BUSY: usize = 16;
/// The first round fills connection pools and tables, so growth is measured from its end.
const ROUNDS: u64 = 4;
/// How much a process may grow after the first round, in bytes. A leak of 900 bytes per scene would be more.
const GROWTH: f64 = 1.5e6;

/// Opens a scene and ends it in one of five ways.
async fn live(cluster: &Cluster, busy: &Semaphore, n: u64) {
    let permit = busy.acquire().await.unwrap();
    let (mut page, opened) = open(cluster, 0).await;
    match n % 5 {
        0 => {
            shows(&scan(cluster, n, &opened).await, LOGGED_IN);
            frame(&mut page, "confirmed").await;
        }
        1 => drop(page),
        2 => {
            drop(page);
            shows(&scan(cluster, n, &opened).await, LOGGED_IN);
            frame(&mut resume(cluster, 0, &opened).await, "confirmed").await;
        }
        3 => cancel(cluster, 0, &opened).await,
        _ => {
            drop(permit);
            frame(&mut page, "expired").await;
        }
    }
}

async fn memory(process: SocketAddr) -> f64 {
    metric(process, "process_resident_memory_bytes").await
}

#[tokio::test]
async fn thousands_of_scenes_leave_nothing_behind() {
    let cluster = Cluster::start_as(Setup { scene_life: 10, ..Setup::default() }).await;
    let gateway = cluster.gateway_admin(0);
    let callback = cluster.callback_admin(0);
    let busy = Semaphore::new(BUSY);
    let mut memories = vec![];
    for round in 0..ROUNDS {
        join_all((0..SCENES).map(|n| live(&cluster, &busy, round * SCENES + n))).await;
        for gauge in ["scenecast_scenes_held", "scenecast_connections_open{transport=\"websocket\"}"] {
            metric_becomes(gateway, gauge, 0.0).await;
        }
        let subscribed = async || cluster.redis.cli(&["PUBSUB", "SHARDCHANNELS"]).await.unwrap();
        until("no scene is subscribed", async || subscribed().await.is_empty()).await;
        memories.push((memory(gateway).await, memory(callback).await));
    }
    let first = memories[0];
    let last = memories[memories.len() - 1];
    assert!(last.0 - first.0 < GROWTH && last.1 - first.1 < GROWTH, "{memories:?}");
    let open_fds = metric(gateway, "process_open_fds").await;
    assert!(open_fds < 200.0, "{open_fds} files are open without a page");
}
