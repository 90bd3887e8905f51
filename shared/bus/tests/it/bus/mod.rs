//! `contract` is the contract of the bus, run over every backend. The other modules test a bus over Redis.

mod burst;
mod churn;
mod clock;
mod contract;
mod foreign;
mod losses;
mod one_server;
mod other_layouts;
mod outages;
mod permissions;
mod rights;
mod subscriptions;
mod tls;
mod tombstone;
mod unreachable;

use scenecast_bus::BusUrl;
use scenecast_metrics::Metrics;
use scenecast_testing::TestBackend;

use crate::fixtures::{TestBus, pod_at};

/// The pods of one test, and the backend that they share.
struct TestPods {
    /// The first pod's bus.
    bus: TestBus,
    metrics: Metrics,
    backend: TestBackend,
}

impl TestPods {
    fn over(backend: TestBackend) -> Self {
        let (bus, metrics) = pod_at(&backend.url());
        Self { bus, metrics, backend }
    }

    /// The bus of another pod. In memory it is the same bus.
    fn another_pod(&self) -> TestBus {
        match self.backend.url() {
            BusUrl::Memory => self.bus.clone(),
            url @ BusUrl::Redis(_) => pod_at(&url).0,
        }
    }
}
