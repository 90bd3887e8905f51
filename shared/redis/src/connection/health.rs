//! Tells metrics and the log which connections are up.

use std::{collections::HashMap, mem::Discriminant, sync::Arc};

use fred::types::config::Server;
use parking_lot::Mutex;
use prometheus::IntGaugeVec;
use tokio::sync::Notify;

use crate::connection::unreachable::UnreachableCause;

/// The health of all connections of one kind, for example of those for commands.
pub(crate) struct ConnectionHealth {
    kind: &'static str,
    /// For each kind: 1 while all of its connections are up, 0 while one is down, absent while there are none.
    gauge: IntGaugeVec,
    /// Whether each connection is up, by the id of its reporter. The key isn't the server's address: a new connection
    /// to a server may begin before the previous one has ended.
    connected: Mutex<HashMap<u64, bool>>,
    /// Notified each time that a connection is lost.
    on_lost: Arc<Notify>,
}

/// Reports the health of one connection. Dropping it means that the connection is no longer needed.
pub(crate) struct HealthReporter {
    health: Arc<ConnectionHealth>,
    id: u64,
    node: Server,
    /// Why it couldn't be connected to since it was connected last, as far as the log has said it.
    told: Mutex<Vec<Discriminant<UnreachableCause>>>,
}

impl ConnectionHealth {
    pub(crate) fn new(kind: &'static str, gauge: &IntGaugeVec, on_lost: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { kind, gauge: gauge.clone(), connected: Mutex::default(), on_lost })
    }

    /// Adds a connection, which is down at first.
    pub(crate) fn reporter(self: &Arc<Self>, node: Server) -> HealthReporter {
        let id = rand::random();
        let mut connected = self.connected.lock();
        connected.insert(id, false);
        self.update_gauge(&connected);
        HealthReporter { health: self.clone(), id, node, told: Mutex::default() }
    }

    fn update_gauge(&self, connected: &HashMap<u64, bool>) {
        if connected.is_empty() {
            // Fails only if the gauge had no value for this kind, which is as it should be.
            let _ = self.gauge.remove_label_values(&[self.kind]);
        } else {
            let all_connected = connected.values().all(|connected| *connected);
            self.gauge.with_label_values(&[self.kind]).set(all_connected.into());
        }
    }
}

impl HealthReporter {
    /// Reports that the connection is up or down now. Reporting the same twice changes nothing.
    pub(crate) fn report(&self, is_connected: bool) {
        let health = &self.health;
        let mut connected = health.connected.lock();
        let was_connected = connected.insert(self.id, is_connected).unwrap_or(false);
        health.update_gauge(&connected);
        drop(connected);
        if is_connected {
            self.told.lock().clear();
        }
        if is_connected && !was_connected {
            tracing::info!(node = %self.node, connection = health.kind, "connected to Redis");
        }
        if was_connected && !is_connected {
            tracing::warn!(node = %self.node, connection = health.kind, "lost the connection to Redis; reconnecting");
            health.on_lost.notify_one();
        }
    }

    /// Says why the server can't be connected to; each kind of cause once until it can be.
    pub(crate) fn report_unreachable(&self, cause: &UnreachableCause) {
        let kind = std::mem::discriminant(cause);
        let mut told = self.told.lock();
        if !told.contains(&kind) {
            told.push(kind);
            tracing::warn!(
                node = %self.node, connection = self.health.kind, %cause,
                "can't connect to Redis; trying again until it works"
            );
        }
    }

    pub(crate) fn node(&self) -> &Server {
        &self.node
    }
}

impl Drop for HealthReporter {
    fn drop(&mut self) {
        let mut connected = self.health.connected.lock();
        connected.remove(&self.id);
        self.health.update_gauge(&connected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenecast_metrics::Metrics;

    #[test]
    fn the_gauge_is_1_while_every_needed_connection_is_up() {
        let metrics = Metrics::new();
        let health =
            ConnectionHealth::new("commands", &metrics.gauge_vec("up", "Up.", &["connection"]), Arc::default());
        let gauge = || metrics.text().lines().find_map(|line| line.strip_prefix("scenecast_up{")?.chars().last());
        assert_eq!(gauge(), None);
        let a = health.reporter(Server::new("a", 1));
        let b = health.reporter(Server::new("b", 1));
        a.report(true);
        assert_eq!(gauge(), Some('0'));
        b.report(true);
        assert_eq!(gauge(), Some('1'));
        a.report(false);
        assert_eq!(gauge(), Some('0'));
        let a_again = health.reporter(Server::new("a", 1));
        a_again.report(true);
        drop(a);
        assert_eq!(gauge(), Some('1'));
        drop((a_again, b));
        assert_eq!(gauge(), None);
    }
}
