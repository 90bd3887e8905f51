//! Which connections of one kind stand, told to metrics and to the log.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use fred::types::config::Server;
use prometheus::IntGaugeVec;
use tokio::sync::Notify;

/// The connections of one kind.
pub(crate) struct ConnectionHealth {
    kind: &'static str,
    /// By kind, 1 while all of them stand; absent while none is wanted.
    all: IntGaugeVec,
    /// By a number, because a node may come back before its last connection has ended.
    parts: Mutex<HashMap<u64, bool>>,
    /// Told of each that is lost.
    lost: Arc<Notify>,
}

/// One connection's part in it, which ends when this is dropped.
pub(crate) struct HealthReporter {
    of: Arc<ConnectionHealth>,
    number: u64,
    node: Server,
}

impl ConnectionHealth {
    pub(crate) fn new(kind: &'static str, all: &IntGaugeVec, lost: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { kind, all: all.clone(), parts: Mutex::default(), lost })
    }

    /// One more connection, which doesn't stand yet.
    pub(crate) fn part(self: &Arc<Self>, node: Server) -> HealthReporter {
        let number = rand::random();
        self.change(|parts| parts.insert(number, false));
        HealthReporter { of: self.clone(), number, node }
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<u64, bool>) -> T) -> T {
        // A poisoned map is whole: each change is one call of the map's.
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut parts);
        if parts.is_empty() {
            // It fails where there was none.
            let _ = self.all.remove_label_values(&[self.kind]);
        } else {
            let all_stand = parts.values().all(|stands| *stands);
            self.all.with_label_values(&[self.kind]).set(all_stand.into());
        }
        changed
    }
}

impl HealthReporter {
    /// The connection stands, or doesn't.
    pub(crate) fn set(&self, stands: bool) {
        let Self { of, node, .. } = self;
        let stood = of.change(|parts| parts.insert(self.number, stands));
        match (stood.unwrap_or(false), stands) {
            (false, true) => tracing::info!(%node, connection = of.kind, "connected to Redis"),
            (true, false) => {
                tracing::warn!(%node, connection = of.kind, "lost the connection to Redis");
                of.lost.notify_one();
            }
            _ => {}
        }
    }

    pub(crate) fn node(&self) -> &Server {
        &self.node
    }
}

impl Drop for HealthReporter {
    fn drop(&mut self) {
        self.of.change(|parts| parts.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenecast_metrics::Metrics;

    #[test]
    fn the_gauge_is_up_while_every_connection_that_is_wanted_stands() {
        let metrics = Metrics::new();
        let standing = ConnectionHealth::new("commands", &metrics.gauges("up", "Up.", &["connection"]), Arc::default());
        let up = || metrics.text().lines().find_map(|line| line.strip_prefix("scenecast_up{")?.chars().last());
        assert_eq!(up(), None);
        let (a, b) = (standing.part(Server::new("a", 1)), standing.part(Server::new("b", 1)));
        a.set(true);
        assert_eq!(up(), Some('0'));
        b.set(true);
        assert_eq!(up(), Some('1'));
        a.set(false);
        assert_eq!(up(), Some('0'));
        let again = standing.part(Server::new("a", 1));
        again.set(true);
        drop(a);
        assert_eq!(up(), Some('1'));
        drop((again, b));
        assert_eq!(up(), None);
    }
}
