//! Keeps the slot table up to date: asks the [`TopologySource`] every second, and at once when something suggests that
//! slots have moved (a lost connection, a MOVED answer).

use std::{sync::Arc, time::Duration};

use prometheus::IntGauge;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use crate::{
    connection::pool::ConnectionPool,
    error::RedisError,
    topology::{slots::SlotTable, source::TopologySource},
};

/// How often the source is asked when nothing requests it.
const REFRESH_PERIOD: Duration = Duration::from_secs(1);
/// The shortest time between two refreshes, however many are requested.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// Gives the current slot table, and asks for a newer one. All clones see the same table.
#[derive(Clone)]
pub(crate) struct Topology {
    table: watch::Receiver<Arc<SlotTable>>,
    refresh: Arc<Notify>,
}

impl Topology {
    /// Starts a [`TopologyRefresher`]. It ends connections in `nodes` to servers that are no longer primaries. A
    /// notification on `refresh` makes it ask the source at once; `primaries` shows how many there are.
    pub(crate) fn start(
        source: TopologySource,
        nodes: ConnectionPool,
        refresh: Arc<Notify>,
        primaries: IntGauge,
    ) -> Self {
        let (publisher, table) = watch::channel(Arc::new(SlotTable::empty()));
        let initial = source.initial_table();
        let refresher = TopologyRefresher { source, nodes, publisher, primaries, last_error: None };
        refresher.publish(initial);
        tokio::spawn(refresher.run(refresh.clone()));
        Self { table, refresh }
    }

    pub(crate) fn table(&self) -> Arc<SlotTable> {
        self.table.borrow().clone()
    }

    /// Receives the current table and each that replaces it.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<SlotTable>> {
        self.table.clone()
    }

    /// Asks the source at once, because the table may be out of date.
    pub(crate) fn request_refresh(&self) {
        self.refresh.notify_one();
    }

    /// Notifying this does the same as [`Topology::request_refresh`].
    pub(crate) fn refresh_notify(&self) -> Arc<Notify> {
        self.refresh.clone()
    }
}

/// The task behind [`Topology`].
struct TopologyRefresher {
    source: TopologySource,
    nodes: ConnectionPool,
    publisher: watch::Sender<Arc<SlotTable>>,
    primaries: IntGauge,
    /// The error of the last refresh, so that a lasting one is logged only once.
    last_error: Option<RedisError>,
}

impl TopologyRefresher {
    async fn run(mut self, refresh: Arc<Notify>) {
        let mut ask_all = true;
        loop {
            let current = self.publisher.borrow().clone();
            match self.source.query(&current, &self.nodes, ask_all).await {
                Ok(table) => {
                    self.last_error = None;
                    self.publish(table);
                }
                Err(error) => self.report(error),
            }
            let table = self.publisher.borrow().clone();
            self.nodes.remove_idle(|node| table.has_primary(node));
            sleep(MIN_REFRESH_INTERVAL).await;
            // A request means that slots have probably moved.
            ask_all = timeout(REFRESH_PERIOD, refresh.notified()).await.is_ok();
        }
    }

    fn report(&mut self, error: RedisError) {
        if self.last_error.as_ref() != Some(&error) {
            tracing::warn!(
                %error,
                "can't find out which Redis server is the primary; using what was known before. If this lasts, check \
                 that the Redis servers and sentinels of bus.url are up and reachable"
            );
        }
        self.last_error = Some(error);
    }

    fn publish(&self, table: SlotTable) {
        let previous = self.publisher.borrow().clone();
        if *previous == table {
            return;
        }
        let table = Arc::new(table);
        self.publisher.send_replace(table.clone());
        self.primaries.set(i64::try_from(table.primaries().count()).unwrap_or(i64::MAX));
        for primary in table.primaries() {
            // Connects now, so that the first command needn't wait for it.
            self.nodes.get(&primary.node);
        }
        for demoted in previous.primaries().filter(|primary| !table.has_primary(&primary.node)) {
            self.nodes.remove(&demoted.node);
        }
        let moved = table.changed_since(&previous);
        if previous.nodes().is_empty() {
            tracing::info!(primaries = %table, "found the primaries of Redis");
        } else if !moved.is_empty() {
            tracing::info!(
                from = %previous, to = %table, ?moved,
                "Redis slots have another primary now, after a failover or because slots were moved; following them"
            );
        }
    }
}
