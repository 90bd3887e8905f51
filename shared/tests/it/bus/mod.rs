//! The bus's contract, written once and run over each backend, and what else Redis is asked to bear.

mod burst;
mod churn;
mod contract;
mod foreign;
mod outages;
mod permissions;
mod subscriptions;
mod tombstone;

use scenecast_shared::{
    bus::{Bus, Role},
    telemetry::Metrics,
    testing::RedisServer,
};

use crate::fixtures::pod;

/// What carries scenes in a test of the contract.
struct Backend {
    bus: Bus,
    metrics: Metrics,
    server: Option<RedisServer>,
}

impl Backend {
    fn memory() -> Self {
        Self { bus: Bus::memory(), metrics: Metrics::new(), server: None }
    }

    async fn redis() -> Self {
        let server = RedisServer::start().await;
        let (bus, metrics) = pod(&server.url(), Role::Watches);
        Self { bus, metrics, server: Some(server) }
    }

    /// The bus of another pod; there is but one in memory.
    fn another(&self) -> Bus {
        match &self.server {
            None => self.bus.clone(),
            Some(server) => pod(&server.url(), Role::Watches).0,
        }
    }
}
