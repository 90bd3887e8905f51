//! Events come faster than they are read.

use scenecast_scene::Grant;
use scenecast_testing::TestBackend;
use tokio::runtime;

use super::Pods;
use crate::fixtures::{Bus, apply, confirm, each, heard, hears_nothing, hold, scan, scene};

const SCENES: u128 = 10_000;

#[tokio::test]
async fn twenty_thousand_events_through_one_slow_reader_in_memory() {
    burst(&Pods::over(TestBackend::memory().await)).await;
}

#[tokio::test]
async fn twenty_thousand_events_through_one_slow_reader_over_redis() {
    let pods = Pods::over(TestBackend::standalone().await);
    burst(&pods).await;
    let metrics = pods.metrics.text();
    assert!(metrics.contains("scenecast_catch_ups_total{cause=\"lag\"}"), "the client lost none: {metrics}");
}

/// Everything that reads runs on this thread, which is blocked while another one settles.
async fn burst(pods: &Pods) {
    let mut watches = hold(SCENES, &pods.bus).await;
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let settling = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            settling.block_on(async { settle_all(&pods.another()).await });
        });
    });
    for watch in &mut watches {
        assert_eq!([heard(watch).await, heard(watch).await], ["scanned", "confirmed"]);
        hears_nothing(watch);
    }
}

async fn settle_all(bus: &Bus) {
    each(SCENES, |n| async move {
        apply(bus, scene(n), "scan", &scan("ann")).await;
        apply(bus, scene(n), "yes", &confirm(&Grant::issue(scene(n)), "ann")).await;
    })
    .await;
}
