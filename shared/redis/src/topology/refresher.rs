//! Keeps the table of slots current: asks those who know, every second and whenever something hints at a change.

use std::{sync::Arc, time::Duration};

use prometheus::IntGauge;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use crate::{
    connection::pool::ConnectionPool,
    topology::{slots::SlotTable, source::TopologySource},
};

/// How often those who know are asked.
const EVERY: Duration = Duration::from_secs(1);
/// The least time between two times, however much hints at a change.
const AT_LEAST: Duration = Duration::from_millis(100);

/// The present table. Clones are of the same one.
#[derive(Clone)]
pub(crate) struct Topology {
    table: watch::Receiver<Arc<SlotTable>>,
    hint: Arc<Notify>,
}

impl Topology {
    /// Begins to keep the table of these nodes, and ends their connections where they lose their part. `hint`
    /// makes it look at once; `primaries` is their number.
    pub(crate) fn keep(
        authority: TopologySource,
        nodes: ConnectionPool,
        hint: Arc<Notify>,
        primaries: IntGauge,
    ) -> Self {
        let (publish, table) = watch::channel(Arc::new(SlotTable::empty()));
        let keeper = TopologyRefresher { authority, nodes, publish, primaries };
        keeper.publish(keeper.authority.beforehand());
        tokio::spawn(keeper.run(hint.clone()));
        Self { table, hint }
    }

    /// The table as it is now.
    pub(crate) fn now(&self) -> Arc<SlotTable> {
        self.table.borrow().clone()
    }

    /// The table, and each that replaces it.
    pub(crate) fn tables(&self) -> watch::Receiver<Arc<SlotTable>> {
        self.table.clone()
    }

    /// Told of what hints at a change.
    pub(crate) fn hinter(&self) -> Arc<Notify> {
        self.hint.clone()
    }

    /// The table may have changed: those who know are asked at once.
    pub(crate) fn hint(&self) {
        self.hint.notify_one();
    }
}

struct TopologyRefresher {
    authority: TopologySource,
    nodes: ConnectionPool,
    publish: watch::Sender<Arc<SlotTable>>,
    primaries: IntGauge,
}

impl TopologyRefresher {
    async fn run(mut self, hint: Arc<Notify>) {
        let mut hinted = true;
        let mut trouble = None;
        loop {
            let present = self.publish.borrow().clone();
            let looked = self.authority.look(&present, &self.nodes, hinted).await;
            let now = looked.as_ref().err().cloned();
            if let (Some(why), true) = (&now, now != trouble) {
                tracing::warn!(%why, "can't be told which Redis owns what");
            }
            trouble = now;
            if let Ok(table) = looked {
                self.publish(table);
            }
            let table = self.publish.borrow().clone();
            self.nodes.tidy(|node| table.has(node));
            sleep(AT_LEAST).await;
            hinted = timeout(EVERY, hint.notified()).await.is_ok();
        }
    }

    fn publish(&self, table: SlotTable) {
        let before = self.publish.borrow().clone();
        if *before == table {
            return;
        }
        let table = Arc::new(table);
        self.publish.send_replace(table.clone());
        self.primaries.set(i64::try_from(table.primaries().count()).unwrap_or(i64::MAX));
        for primary in table.primaries() {
            // So that the connection stands before it is needed.
            self.nodes.to(&primary.node);
        }
        for left in before.primaries().filter(|primary| !table.has(&primary.node)) {
            self.nodes.end(&left.node);
        }
        let moved = table.moved_since(&before);
        if before.nodes().is_empty() {
            tracing::info!(primaries = %table, "Redis carries the scenes");
        } else if !moved.is_empty() {
            tracing::info!(from = %before, to = %table, ?moved, "slots of Redis have another primary");
        }
    }
}
