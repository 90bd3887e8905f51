//! Waits until the replicas have what was written: one wait for all who wait at a time.
//!
//! All that may take the primary's place, as those know who would choose: any of them may be the one.
//!
//! `WAIT` blocks its connection, so it has one of its own; and it counts what that connection wrote,
//! so each round writes something first, into a slot that the primary owns. What was written on
//! other connections before comes before it in the primary's history.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fred::{clients::Client, types::config::Server};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    commands::{
        command::{RedisCommand, send_together},
        redirect::Redirect,
        routing::RoutedReplies,
    },
    connection::pool::ConnectionPool,
    error::{RedisError, RedisErrorKind},
    topology::{
        refresher::Topology,
        sentinel,
        slots::{RequiredAcks, Slot},
    },
};

/// How long a replica may take, in milliseconds.
const ACKNOWLEDGED_WITHIN: &str = "1000";
/// How long its connection may take to stand.
const CONNECTED_WITHIN: Duration = Duration::from_secs(1);
/// How long whoever wrote waits: its turn may come after a round that takes as long as it may.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what a round writes is kept, in milliseconds.
const FENCE_LIFE: &str = "60000";
/// Slots that a round tries; some may be on their way elsewhere.
const ATTEMPTS: usize = 3;
/// Among so many names there is one for nearly every slot.
const NAMES: u32 = 200_000;

/// Where something was written.
#[derive(Debug, Clone)]
pub struct WritePosition {
    pub(crate) slot: Slot,
    pub(crate) node: Server,
    pub(crate) passed_on: bool,
}

impl WritePosition {
    pub(crate) fn new(key: &str, answered: &RoutedReplies) -> Self {
        Self { slot: Slot::of(key), node: answered.by.clone(), passed_on: answered.passed_on }
    }
}

/// Who waits for which primary's replicas. Clones share the connections.
#[derive(Clone)]
pub(crate) struct ReplicaAcknowledger {
    topology: Topology,
    nodes: ConnectionPool,
    /// By primary; those that have an entry have a round under way.
    waiting: Arc<Mutex<HashMap<Server, Vec<AckWaiter>>>>,
}

struct AckWaiter {
    slot: Slot,
    /// How many replicas have to have it.
    needed: usize,
    acknowledged: oneshot::Sender<bool>,
}

impl ReplicaAcknowledger {
    /// Over connections of their own, to primaries that have replicas.
    pub(crate) fn new(topology: &Topology, nodes: ConnectionPool) -> Self {
        let mut tables = topology.tables();
        let kept = nodes.clone();
        tokio::spawn(async move {
            while tables.changed().await.is_ok() {
                let table = tables.borrow_and_update().clone();
                kept.only(|node| table.acks(node).is_some_and(|acks| acks > RequiredAcks::Needed(0)));
            }
        });
        Self { topology: topology.clone(), nodes, waiting: Arc::default() }
    }

    /// Done when all replicas have it that may take its primary's place, or at once where there is none.
    pub(crate) async fn wait(&self, written: &WritePosition) -> Result<(), RedisError> {
        let acknowledged = timeout(PATIENCE, async {
            match self.needed(written).await {
                0 => true,
                needed => self.join(written, needed).await.unwrap_or(false),
            }
        });
        if acknowledged.await.unwrap_or(false) {
            Ok(())
        } else {
            Err(RedisError::new(RedisErrorKind::NotAcknowledged, "the replicas haven't acknowledged it in time"))
        }
    }

    /// How many replicas have to have it; waits until that is known, and any are enough. A node that has left the
    /// table is never asked what it thinks: it may be cut off, and alone.
    async fn needed(&self, written: &WritePosition) -> usize {
        let node = &written.node;
        if written.passed_on && !self.topology.now().has(node) {
            // It is being given its first slot, and those who know don't name it yet.
            let Ok(connection) = self.nodes.to(node).permit().map(|permit| permit.client) else { return 1 };
            return RedisCommand::role().send(&connection).await.map_or(1, |role| sentinel::followers(&role));
        }
        let mut tables = self.topology.tables();
        let table = tables.wait_for(|table| matches!(table.acks(node), Some(RequiredAcks::Needed(_)))).await;
        match table.ok().and_then(|table| table.acks(node)) {
            Some(RequiredAcks::Needed(needed)) => needed,
            // Of a process that ends.
            Some(RequiredAcks::InVain) | None => 1,
        }
    }

    /// Takes part in the next round.
    fn join(&self, written: &WritePosition, needed: usize) -> oneshot::Receiver<bool> {
        let (acknowledged, answer) = oneshot::channel();
        let waiter = AckWaiter { slot: written.slot, needed, acknowledged };
        match self.waiting().entry(written.node.clone()) {
            Entry::Occupied(mut waiting) => waiting.get_mut().push(waiter),
            Entry::Vacant(nobody) => {
                nobody.insert(vec![waiter]);
                tokio::spawn(self.clone().rounds(written.node.clone()));
            }
        }
        answer
    }

    /// Round after round, until nobody waits.
    async fn rounds(self, node: Server) {
        loop {
            let waiters = {
                let mut waiting = self.waiting();
                let waiters = waiting.get_mut(&node).map(std::mem::take).unwrap_or_default();
                if waiters.is_empty() {
                    waiting.remove(&node);
                    return;
                }
                waiters
            };
            let needed = waiters.iter().map(|waiter| waiter.needed).max().unwrap_or(1);
            let acknowledged = self.round(&node, waiters[0].slot, needed).await;
            for waiter in waiters {
                // Whoever gave up waiting isn't there to be told.
                let _ = waiter.acknowledged.send(acknowledged);
            }
        }
    }

    /// Whether so many replicas have all that this node had written before.
    async fn round(&self, node: &Server, slot: Slot, needed: usize) -> bool {
        let table = self.topology.now();
        // A node that is only given its first slots owns none: the key's own, which it was asked for.
        let asking = !table.has(node);
        let is_there =
            |name: &String| if asking { Slot::of(name) == slot } else { table.owner(Slot::of(name)) == Some(node) };
        let names = (0..NAMES).map(|number| format!("fence:{number}")).filter(is_there);
        for name in names.take(ATTEMPTS) {
            let commands = [
                RedisCommand::new("SET", [name.as_str(), "", "PX", FENCE_LIFE]),
                RedisCommand::new("WAIT", [needed.to_string().as_str(), ACKNOWLEDGED_WITHIN]),
            ];
            let Some(client) = self.client(node).await else { return false };
            // Together: on another connection, which wrote nothing, WAIT counts every replica.
            let answers = send_together(&client, &commands, asking).await;
            let [Ok(_), Ok(replicas)] = &answers[..] else {
                let failed = answers.iter().find_map(|answer| answer.as_ref().err());
                match failed.and_then(|error| Redirect::of(error, node)) {
                    Some(Redirect::Moved(_) | Redirect::Ask(_)) => {
                        self.topology.hint();
                        continue;
                    }
                    _ => {
                        tracing::debug!(%node, error = ?failed, "couldn't wait for replicas");
                        return false;
                    }
                }
            };
            return replicas.as_u64().is_some_and(|replicas| replicas >= needed as u64);
        }
        false
    }

    /// The client of the connection to this primary; waits until it stands, which it doesn't where it is new.
    async fn client(&self, node: &Server) -> Option<Client> {
        let mut connection = self.nodes.to(node).present();
        let present = timeout(CONNECTED_WITHIN, connection.wait_for(|present| present.stands.is_some())).await;
        Some(present.ok()?.ok()?.client.clone())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Server, Vec<AckWaiter>>> {
        // Nobody who holds the lock panics half-way through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
