//! Keeps the table of slots current: asks those who know, every second and whenever something hints at a change.

use std::{sync::Arc, time::Duration};

use prometheus::IntGauge;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{authority::Authority, nodes::Nodes, slots::Table};

/// How often those who know are asked.
const EVERY: Duration = Duration::from_secs(1);
/// The least time between two times, however much hints at a change.
const AT_LEAST: Duration = Duration::from_millis(100);

/// The present table. Clones are of the same one.
#[derive(Clone)]
pub(super) struct Topology {
    table: watch::Receiver<Arc<Table>>,
    hint: Arc<Notify>,
}

impl Topology {
    /// Begins to keep the table of these nodes, and ends their connections where they lose their part. `hint`
    /// makes it look at once; `primaries` is their number.
    pub(super) fn keep(authority: Authority, nodes: Nodes, hint: Arc<Notify>, primaries: IntGauge) -> Self {
        let (publish, table) = watch::channel(Arc::new(Table::empty()));
        let keeper = Keeper { authority, nodes, publish, primaries };
        keeper.publish(keeper.authority.beforehand());
        tokio::spawn(keeper.run(hint.clone()));
        Self { table, hint }
    }

    /// The table as it is now.
    pub(super) fn now(&self) -> Arc<Table> {
        self.table.borrow().clone()
    }

    /// The table, and each that replaces it.
    pub(super) fn tables(&self) -> watch::Receiver<Arc<Table>> {
        self.table.clone()
    }

    /// Told of what hints at a change.
    pub(super) fn hinter(&self) -> Arc<Notify> {
        self.hint.clone()
    }

    /// The table may have changed: those who know are asked at once.
    pub(super) fn hint(&self) {
        self.hint.notify_one();
    }
}

struct Keeper {
    authority: Authority,
    nodes: Nodes,
    publish: watch::Sender<Arc<Table>>,
    primaries: IntGauge,
}

impl Keeper {
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

    fn publish(&self, table: Table) {
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
