//! The autoscaler on connections: out when pages come, neither out nor in while metrics are away, in by one pod at a time.
//!
//! See docs/decisions/121-gateways-scale-on-connections-without-a-fallback.md.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::{process::Command, time::sleep};

use crate::{
    cluster::{Cluster, path},
    load::{Load, assert_nothing_lost},
};

const GATEWAY: &str = "scenecast-gateway";
const ADMIN: u16 = 9090;
/// As in `tests/overlays/scaling`.
const MOST: u64 = 6;
const LEAST: u64 = 2;
/// How many of 400 pages each of so many gateways holds at least, once those that came late got some from the others.
const FILLED: f64 = 10.0;
const MINUTE: Duration = Duration::from_secs(60);
/// Several looks of the autoscaler, each 5 s after the one before.
const SEVERAL_LOOKS: Duration = Duration::from_secs(20);

/// Starts or stops Prometheus and what tells the autoscaler of it.
async fn metrics(verb: &str) {
    let status = Command::new("bash").args([&path("cluster/inside/metrics.sh"), verb]).status().await.unwrap();
    assert!(status.success());
}

/// Waits for what may take minutes: some of the autoscaler's rules are times.
async fn within(limit: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < limit, "it did not happen within {limit:?} that {what}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// Whether the autoscaler knows how many connections there are.
async fn sees_metrics(cluster: &Cluster) -> bool {
    let autoscaler = cluster.get(&["hpa", GATEWAY]).await;
    let conditions = autoscaler["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let is_active = |condition: &Value| condition["type"] == "ScalingActive" && condition["status"] == "True";
    conditions.iter().any(is_active)
}

/// How many pages each gateway holds.
async fn pages(cluster: &Cluster) -> Vec<f64> {
    let mut pages = vec![];
    for pod in cluster.pods(GATEWAY).await {
        pages.push(cluster.metric(&pod, ADMIN, "scenecast_connections_open").await);
    }
    pages
}

#[tokio::test]
async fn gateways_come_with_pages_stay_without_metrics_and_go_one_by_one() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy("tests/overlays/scaling").await;
    metrics("up").await;
    within(MINUTE, "the autoscaler sees metrics", async || sees_metrics(&cluster).await).await;
    within(2 * MINUTE, "the fleet is small", async || cluster.replicas(GATEWAY).await == LEAST).await;

    // Pages come: 400 are enough for all. A page that logs in isn't replaced, so new gateways get pages from others alone.
    let crowd = Load::start(&["--pages=400", "--opens=50", "--rate=0.2", "--for=600", "--no-refill"]);
    within(MINUTE, "there are more gateways", async || cluster.replicas(GATEWAY).await > LEAST).await;

    // Metrics vanish while it still scales out. No data is neither zero nor much.
    metrics("down").await;
    within(MINUTE, "the autoscaler is blind", async || !sees_metrics(&cluster).await).await;
    let blind = cluster.replicas(GATEWAY).await;
    assert!(LEAST < blind && blind < MOST, "{blind}");
    within(2 * MINUTE, "what had begun to start fills", async || are_filled(&cluster, blind).await).await;
    sleep(SEVERAL_LOOKS).await;
    assert_eq!(cluster.replicas(GATEWAY).await, blind);

    // Metrics are back, and it goes on.
    metrics("up").await;
    within(2 * MINUTE, "there are as many as allowed", async || cluster.replicas(GATEWAY).await == MOST).await;
    within(2 * MINUTE, "the new ones fill", async || are_filled(&cluster, MOST).await).await;
    assert_nothing_lost(&crowd.stop().await, 10);

    // Pages have left.
    let few = Load::start(&["--pages=20", "--opens=20", "--rate=2", "--for=600", "--refill"]);
    let mut seen = vec![MOST];
    within(3 * MINUTE, "the fleet is small again", async || {
        let replicas = cluster.replicas(GATEWAY).await;
        if seen.last() != Some(&replicas) {
            seen.push(replicas);
        }
        replicas == LEAST
    })
    .await;
    assert_eq!(seen, [6, 5, 4, 3, 2]);
    assert_nothing_lost(&few.stop().await, 20);
    metrics("down").await;
}

/// Whether there are so many gateways, and each has its share of pages.
async fn are_filled(cluster: &Cluster, gateways: u64) -> bool {
    let pages = pages(cluster).await;
    pages.len() as u64 == gateways && pages.iter().all(|pages| *pages >= FILLED)
}
