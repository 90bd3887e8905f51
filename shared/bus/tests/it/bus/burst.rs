//! Events that come faster than they are read.

use scenecast_scene::Grant;
use scenecast_testing::TestBackend;
use tokio::runtime;

use super::TestPods;
use crate::fixtures::{
    TestBus, apply, assert_no_notice, confirm, for_each_scene, next_event_kind, open_and_watch, scan, scene,
};

const SCENES: u128 = 10_000;

#[tokio::test]
async fn a_slow_reader_gets_all_of_twenty_thousand_events_in_memory() {
    burst(&TestPods::over(TestBackend::memory().await)).await;
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_twenty_thousand_events_over_redis() {
    let pods = TestPods::over(TestBackend::standalone().await);
    burst(&pods).await;
    let metrics = pods.metrics.text();
    assert!(
        metrics.contains("scenecast_catch_ups_total{cause=\"lag\"}"),
        "the burst was too small to lose messages: {metrics}"
    );
}

/// The watchers run on this thread, which is blocked while another thread settles.
async fn burst(pods: &TestPods) {
    let mut watches = open_and_watch(SCENES, &pods.bus).await;
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let settling = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            settling.block_on(async { settle_all(&pods.another_pod()).await });
        });
    });
    for watch in &mut watches {
        assert_eq!([next_event_kind(watch).await, next_event_kind(watch).await], ["scanned", "confirmed"]);
        assert_no_notice(watch);
    }
}

async fn settle_all(bus: &TestBus) {
    for_each_scene(SCENES, |n| async move {
        apply(bus, scene(n), "scan", &scan("ann")).await;
        apply(bus, scene(n), "yes", &confirm(&Grant::issue(scene(n)), "ann")).await;
    })
    .await;
}
