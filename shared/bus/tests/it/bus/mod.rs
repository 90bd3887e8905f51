//! The bus's contract, written once and run over each backend, and what else Redis is asked to bear.

mod burst;
mod churn;
mod contract;
mod foreign;
mod outages;
mod permissions;
mod subscriptions;
mod tls;
mod tombstone;

use scenecast_bus::BusUrl;
use scenecast_metrics::Metrics;
use scenecast_testing::TestBackend;

use crate::fixtures::{Bus, pod_at};

/// Pods of a test of the contract.
struct Pods {
    bus: Bus,
    metrics: Metrics,
    backend: TestBackend,
}

impl Pods {
    fn over(backend: TestBackend) -> Self {
        let (bus, metrics) = pod_at(&backend.url());
        Self { bus, metrics, backend }
    }

    /// The bus of another pod; there is but one in memory.
    fn another(&self) -> Bus {
        match self.backend.url() {
            BusUrl::Memory => self.bus.clone(),
            url @ BusUrl::Redis(_) => pod_at(&url).0,
        }
    }
}
