//! Events come faster than they are read.

use scenecast_shared::{bus::Bus, scene::Grant};
use tokio::runtime;

use super::Backend;
use crate::fixtures::{apply, confirm, each, heard, hears_nothing, hold, scan, scene};

const SCENES: u128 = 10_000;

#[tokio::test]
async fn twenty_thousand_events_through_one_slow_reader_in_memory() {
    burst(&Backend::memory()).await;
}

#[tokio::test]
async fn twenty_thousand_events_through_one_slow_reader_over_redis() {
    let backend = Backend::redis().await;
    burst(&backend).await;
    let metrics = backend.metrics.text();
    assert!(metrics.contains("scenecast_catch_ups_total{cause=\"lag\"}"), "the client lost none: {metrics}");
}

/// Everything that reads runs on this thread, which is blocked while another one settles.
async fn burst(backend: &Backend) {
    let mut watches = hold(SCENES, &backend.bus).await;
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let settling = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            settling.block_on(async { settle_all(&backend.another()).await });
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
