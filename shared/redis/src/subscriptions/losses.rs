//! Notices that a primary may have lost keys while the connections to it stay. Redis tells nobody.
//!
//! | what happens | how it is noticed |
//! |---|---|
//! | somebody empties it | it counts that |
//! | it is made a replica and promoted again between two heartbeats | it writes another history |
//! | it starts again behind a proxy that keeps our connection | it is another run |

use std::{collections::HashMap, sync::Arc, time::Duration};

use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::{
    connection::pool::ConnectionPool,
    history::ReplicationHistory,
    inspection::{each_connection::PrimaryConnection, server_run::ServerRun},
    subscriptions::event::{EventHandler, PubSubEvent},
    topology::refresher::Topology,
};

/// How often each primary is asked. Phones are told nothing final meanwhile.
const PERIOD: Duration = Duration::from_secs(1);

/// What a primary tells of what it has.
struct PrimaryData {
    run: ServerRun,
    history: ReplicationHistory,
    /// The generation of the connection that subscribed when it told this; `None` if there was none.
    subscribed_over: Option<u64>,
}

/// What each primary told last, also over an earlier connection: the one that subscribes may have stayed.
#[derive(Default)]
struct KnownData(HashMap<Server, PrimaryData>);

/// What became of a primary's data between two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataChange {
    Emptied,
    /// It may be other data.
    Replaced,
}

/// Asks primaries what they have. Clones share what is known.
///
/// See docs/decisions/036-a-scene-is-unknown-only-where-nothing-was-just-lost.md and
/// docs/decisions/103-what-may-be-lost-is-noticed-rather-than-searched.md.
#[derive(Clone)]
pub(super) struct LossWatcher {
    topology: Topology,
    /// The connections that subscribe.
    nodes: ConnectionPool,
    on_event: EventHandler,
    known: Arc<Mutex<KnownData>>,
}

impl LossWatcher {
    pub(super) fn new(topology: Topology, nodes: ConnectionPool, on_event: EventHandler) -> Self {
        Self { topology, nodes, on_event, known: Arc::default() }
    }

    /// Asks over this connection, until it is cancelled.
    pub(super) async fn watch(self, connection: PrimaryConnection) {
        let PrimaryConnection { node, client, .. } = connection;
        loop {
            let subscribing = self.nodes.get_existing(&node);
            let subscribed_over = subscribing.and_then(|connection| connection.state().borrow().generation);
            let (run, history) = tokio::join!(ServerRun::ask(&client), ReplicationHistory::ask(&client));
            if let Some(run) = run {
                self.compare(&node, PrimaryData { run, history, subscribed_over });
            }
            sleep(PERIOD).await;
        }
    }

    fn compare(&self, node: &Server, data: PrimaryData) {
        // Outside of the lock: the handler may take others.
        let change = self.known.lock().learn(node, data);
        let slots = || self.topology.table().slots_of(node);
        match change {
            None => {}
            Some(DataChange::Emptied) => {
                tracing::error!(
                    %node,
                    "somebody has emptied Redis (FLUSHALL, FLUSHDB or SWAPDB): logins and scenes that were there are lost; \
                     having the scenes of open pages opened again"
                );
                (self.on_event)(PubSubEvent::Emptied(slots()));
            }
            Some(DataChange::Replaced) => {
                tracing::warn!(
                    %node,
                    "Redis says that its data has another history than before: it was started again, or was a replica \
                     meanwhile, or has got its first replica; reading again what open pages wait for"
                );
                (self.on_event)(PubSubEvent::Replaced(slots()));
            }
        }
    }
}

impl KnownData {
    /// This primary has just told this. Returns what changed since it told something last.
    fn learn(&mut self, node: &Server, mut data: PrimaryData) -> Option<DataChange> {
        let before = self.0.remove(node);
        let change = before.as_ref().and_then(|before| data.change_since(before));
        if let Some(before) = before.filter(|_| !data.history.is_told()) {
            data.history = before.history;
        }
        self.0.insert(node.clone(), data);
        change
    }
}

impl PrimaryData {
    fn change_since(&self, before: &Self) -> Option<DataChange> {
        if self.run.id != before.run.id {
            // A connection that was made meanwhile leads to the new run, and the event that it is new has told all.
            let has_stayed = self.subscribed_over.is_some() && self.subscribed_over == before.subscribed_over;
            return has_stayed.then_some(DataChange::Replaced);
        }
        if self.history.is_other_than(&before.history) {
            return Some(DataChange::Replaced);
        }
        (self.run.emptied > before.run.emptied).then_some(DataChange::Emptied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(run: Option<&str>, history: &str, emptied: u64) -> PrimaryData {
        let run = ServerRun { id: run.map(str::to_owned), emptied, told_at: 0 };
        PrimaryData { run, history: ReplicationHistory::read(&history.into()), subscribed_over: Some(1) }
    }

    /// What one primary tells, and the changes that are seen.
    fn changes<const N: usize>(told: [PrimaryData; N]) -> [Option<DataChange>; N] {
        let mut known = KnownData::default();
        told.map(|data| known.learn(&Server::new("a", 1), data))
    }

    #[test]
    fn another_run_or_history_may_have_other_data_and_an_emptied_server_has_none() {
        for (after, change) in [
            (data(Some("a"), "master_replid:1", 0), None),
            (data(Some("b"), "master_replid:1", 0), Some(DataChange::Replaced)),
            (data(Some("a"), "master_replid:2", 0), Some(DataChange::Replaced)),
            (data(Some("a"), "master_replid:1", 1), Some(DataChange::Emptied)),
            // It told no history this time.
            (data(Some("a"), "", 0), None),
        ] {
            assert_eq!(changes([data(Some("a"), "master_replid:1", 0), after]), [None, change]);
        }
        assert_eq!(changes([data(None, "", 0), data(None, "", 0)]), [None, None], "it never tells");
    }

    #[test]
    fn another_run_that_the_subscribing_connection_was_made_to_is_told_by_that() {
        for subscribed_over in [None, Some(2)] {
            let after = PrimaryData { subscribed_over, ..data(Some("b"), "master_replid:2", 0) };
            assert_eq!(changes([data(Some("a"), "master_replid:1", 0), after]), [None, None]);
        }
    }

    #[test]
    fn a_history_that_is_not_told_once_hides_no_change() {
        let told = ["master_replid:1", "", "master_replid:2"].map(|history| data(Some("a"), history, 0));
        assert_eq!(changes(told), [None, None, Some(DataChange::Replaced)]);
    }
}
