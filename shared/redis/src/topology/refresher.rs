//! Keeps the slot table up to date: asks the [`TopologySource`] every second, and at once when something suggests that
//! slots have moved (a lost connection, a MOVED answer).

use std::{sync::Arc, time::Duration};

use prometheus::{IntGauge, IntGaugeVec};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use crate::{
    connection::pool::ConnectionPool,
    topology::{
        acks::{AckObstacle, RequiredAcks},
        problem::{ToldProblems, TopologyProblem},
        slots::{Primary, SlotTable},
        source::{TopologyAnswer, TopologySource},
    },
};

/// How often the source is asked when nothing requests it.
const REFRESH_PERIOD: Duration = Duration::from_secs(1);
/// The shortest time between two refreshes, however many are requested.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(100);
/// How old the table may be for an acknowledgement to count: two refreshes that are as slow as can be. An older one
/// tells nothing, for example after the process was frozen.
const TABLE_COUNTS_FOR: Duration = Duration::from_secs(4);

/// Gauges of what the table says.
pub(crate) struct TopologyMetrics {
    /// The primaries.
    pub(crate) primaries: IntGauge,
    /// The primaries at which no write counts as stored, by [`AckObstacle`].
    pub(crate) obstructed: IntGaugeVec,
}

/// Gives the current slot table, and asks for a newer one. All clones see the same table.
#[derive(Clone)]
pub(crate) struct Topology {
    table: watch::Receiver<Arc<SlotTable>>,
    /// When the question began whose answer was this table.
    asked_at: watch::Receiver<Instant>,
    refresh: Arc<Notify>,
}

impl Topology {
    /// Starts a [`TopologyRefresher`]. It ends connections in `nodes` to servers that are no longer primaries. A
    /// notification on `refresh` makes it ask the source at once.
    pub(crate) fn start(
        source: TopologySource,
        nodes: ConnectionPool,
        refresh: Arc<Notify>,
        metrics: TopologyMetrics,
    ) -> Self {
        let (publisher, table) = watch::channel(Arc::new(SlotTable::empty()));
        let (asked, asked_at) = watch::channel(Instant::now());
        let initial = source.initial_table();
        let refresher = TopologyRefresher { source, nodes, publisher, asked, metrics, told: ToldProblems::default() };
        refresher.publish(initial);
        tokio::spawn(refresher.run(refresh.clone()));
        Self { table, asked_at, refresh }
    }

    pub(crate) fn table(&self) -> Arc<SlotTable> {
        self.table.borrow().clone()
    }

    /// Whether the table is recent enough to say what acknowledges a write.
    pub(crate) fn is_recent(&self) -> bool {
        self.asked_at.borrow().elapsed() < TABLE_COUNTS_FOR
    }

    /// Returns when the table is recent; never if the process ends.
    pub(crate) async fn until_recent(&self) {
        let mut asked_at = self.asked_at.clone();
        if asked_at.wait_for(|asked_at| asked_at.elapsed() < TABLE_COUNTS_FOR).await.is_err() {
            std::future::pending::<()>().await;
        }
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
    asked: watch::Sender<Instant>,
    metrics: TopologyMetrics,
    told: ToldProblems,
}

impl TopologyRefresher {
    async fn run(mut self, refresh: Arc<Notify>) {
        let mut ask_all = true;
        loop {
            let current = self.publisher.borrow().clone();
            let asked_at = Instant::now();
            let TopologyAnswer { table, problems } = self.source.query(&current, &self.nodes, ask_all).await;
            self.report(problems);
            if let Some(table) = table {
                self.publish(table);
                self.asked.send_replace(asked_at);
            }
            let table = self.publisher.borrow().clone();
            self.nodes.remove_idle(|node| table.has_primary(node));
            sleep(MIN_REFRESH_INTERVAL).await;
            // A request means that slots have probably moved.
            ask_all = timeout(REFRESH_PERIOD, refresh.notified()).await.is_ok();
        }
    }

    fn report(&mut self, problems: Vec<TopologyProblem>) {
        if problems.is_empty() && self.told.clear() {
            tracing::info!("the primaries of Redis can be found again");
        }
        for problem in self.told.add(problems) {
            tracing::warn!(
                %problem,
                "can't find out at each server which ones are the primaries of Redis; using what is known, and trying again \
                 until it works"
            );
        }
    }

    fn publish(&self, table: SlotTable) {
        let previous = self.publisher.borrow().clone();
        if *previous == table {
            return;
        }
        let table = Arc::new(table);
        self.publisher.send_replace(table.clone());
        self.metrics.primaries.set(i64::try_from(table.primaries().count()).unwrap_or(i64::MAX));
        self.report_obstacles(&previous, &table);
        for primary in table.primaries() {
            // Connects now, so that the first command needn't wait for it.
            self.nodes.get(&primary.node);
        }
        for demoted in previous.primaries().filter(|primary| !table.has_primary(&primary.node)) {
            self.nodes.remove(&demoted.node);
        }
        let moved = table.changed_since(&previous);
        if previous.nodes().is_empty() {
            tracing::info!(primaries = %table, "these are the primaries of Redis; connecting to them");
        } else if !moved.is_empty() {
            tracing::info!(
                from = %previous, to = %table, ?moved,
                "Redis slots have another primary now, after a failover or because slots were moved; following them"
            );
        }
    }

    /// Says at which primaries nothing counts as stored from now on, and where it does again.
    fn report_obstacles(&self, previous: &SlotTable, table: &SlotTable) {
        for obstacle in AckObstacle::ALL {
            let is_met = |primary: &&Primary| obstacle_at(primary) == Some(obstacle);
            let count = table.primaries().filter(is_met).count();
            let gauge = self.metrics.obstructed.with_label_values(&[obstacle.label()]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let gone = previous.primaries().filter(|before| !table.has_primary(&before.node)).find_map(obstacle_at);
        for primary in table.primaries() {
            let node = &primary.node;
            let known = previous.primaries().find(|before| before.node == *node);
            // A new primary takes the place of one that is gone.
            let before = known.map_or(gone, obstacle_at);
            match (before, obstacle_at(primary)) {
                (before, Some(obstacle)) if before != Some(obstacle) => tracing::warn!(
                    %node, reason = %obstacle,
                    "no login at this Redis primary counts as stored now, so WeChat is not answered and delivers again"
                ),
                (Some(_), None) => tracing::info!(%node, "logins at this Redis primary count as stored again"),
                _ => {}
            }
        }
    }
}

fn obstacle_at(primary: &Primary) -> Option<AckObstacle> {
    match primary.required_acks {
        Some(RequiredAcks::Unattainable(obstacle)) => Some(obstacle),
        Some(RequiredAcks::Replicas(_)) | None => None,
    }
}
