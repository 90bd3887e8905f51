//! Waits until replicas have a write, so that a failover can't lose it. Many writes share one `WAIT`.
//!
//! For each primary there is at most one round at a time. A write that comes during a round waits for the next one,
//! because the running `WAIT` may not cover it:
//!
//! ```text
//!  writes     a         b  c                 d
//!             │         └──┴───────┐         └───────┐
//!             ▼                    ▼                 ▼
//!  rounds     [ SET fence, WAIT n ][ SET fence, WAIT n ][ SET fence, WAIT n ]  ends: nobody waits
//!  for                a                   b, c                  d
//! ```
//!
//! `WAIT n` blocks its connection until n replicas have everything that *this connection* wrote. So the rounds have a
//! connection of their own, and each round first writes a small key, the fence. Writes of other connections come
//! before the fence in the primary's history, so a replica that has the fence has them, too. The fence must be in a
//! slot of this primary. n is the number of replicas that the cluster or sentinels may promote
//! ([`RequiredAcks`]): any of them may be the next primary.
//!
//! See docs/decisions/007-a-login-counts-once-all-promotable-replicas-have-it.md.
//! See docs/decisions/016-a-moved-slot-is-as-safe-as-its-new-node.md.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use fred::{clients::Client, types::config::Server};
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    command::{RedisCommand, send_all_on_one_connection},
    connection::pool::ConnectionPool,
    error::{RedisError, RedisErrorKind},
    inspection::refusals::RefusalCounter,
    role,
    routing::{redirect::Redirect, router::RoutedReplies},
    topology::{
        refresher::Topology,
        slots::{RequiredAcks, Slot, SlotTable},
    },
};

/// How long one `WAIT` may take, in milliseconds.
const WAIT_LIMIT_MS: &str = "1000";
/// How long a round waits for its connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How long a write waits in all: for the end of the running round, and for its own.
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(2);
/// How long a fence is kept, in milliseconds.
const FENCE_LIFE_MS: &str = "60000";
/// How many fences a round tries. The slot of one may just be moving to another server.
const MAX_FENCES: usize = 3;
/// Among this many keys, nearly every slot has one.
const FENCE_KEYS: u32 = 200_000;

/// Where something was written.
#[derive(Debug, Clone)]
pub struct WritePosition {
    pub(crate) slot: Slot,
    pub(crate) node: Server,
    /// Whether the slot is still being moved to `node`, so that it may own no slot yet.
    pub(crate) is_ask_target: bool,
}

impl WritePosition {
    pub(crate) fn new(key: &str, routed: &RoutedReplies) -> Self {
        Self { slot: Slot::of(key), node: routed.node.clone(), is_ask_target: routed.is_ask_target }
    }
}

/// Waits for replicas to acknowledge writes. Clones share the connections and the rounds.
#[derive(Clone)]
pub(crate) struct ReplicaAcknowledger {
    topology: Topology,
    nodes: ConnectionPool,
    /// The writes that wait for the next round of each primary. A primary has an entry while its rounds run.
    waiting: Arc<Mutex<HashMap<Server, Vec<AckWaiter>>>>,
    refusals: RefusalCounter,
}

struct AckWaiter {
    slot: Slot,
    /// How many replicas must have the write.
    replicas: usize,
    acknowledged: oneshot::Sender<bool>,
}

impl ReplicaAcknowledger {
    /// `nodes` must be used for nothing else. Connections to servers without replicas are ended.
    pub(crate) fn new(topology: &Topology, nodes: ConnectionPool, refusals: RefusalCounter) -> Self {
        tokio::spawn(end_unneeded_connections(topology.clone(), nodes.clone()));
        Self { topology: topology.clone(), nodes, waiting: Arc::default(), refusals }
    }

    /// Returns when all replicas that may be promoted have the write; at once if there are none.
    pub(crate) async fn wait(&self, written: &WritePosition) -> Result<(), RedisError> {
        let acknowledged = timeout(ACKNOWLEDGE_LIMIT, async {
            match self.required_replicas(written).await {
                0 => true,
                replicas => self.join_next_round(written, replicas).await.unwrap_or(false),
            }
        });
        if acknowledged.await.unwrap_or(false) {
            Ok(())
        } else {
            let message = format!("the replicas of Redis at {} didn't acknowledge the write in time", written.node);
            Err(RedisError::new(RedisErrorKind::NotAcknowledged, message))
        }
    }

    /// How many replicas must have the write. Waits until that is known and attainable. The server itself isn't asked
    /// if it has left the table: it may be cut off, and see no replicas for that reason.
    async fn required_replicas(&self, written: &WritePosition) -> usize {
        let node = &written.node;
        if written.is_ask_target && !self.topology.table().has_primary(node) {
            // The server is being given its first slot, so it isn't in the table yet.
            let Ok(connection) = self.nodes.get(node).permit().map(|permit| permit.client) else { return 1 };
            return RedisCommand::role().send(&connection).await.map_or(1, |role| role::replica_count(&role));
        }
        let mut tables = self.topology.subscribe();
        let is_attainable =
            |table: &Arc<SlotTable>| matches!(table.required_acks(node), Some(RequiredAcks::AtLeast(_)));
        let table = tables.wait_for(is_attainable).await;
        match table.ok().and_then(|table| table.required_acks(node)) {
            Some(RequiredAcks::AtLeast(replicas)) => replicas,
            // The table has no sender any more, because the process ends.
            Some(RequiredAcks::Unattainable) | None => 1,
        }
    }

    /// The receiver gets whether the next round reached the replicas.
    fn join_next_round(&self, written: &WritePosition, replicas: usize) -> oneshot::Receiver<bool> {
        let (acknowledged, outcome) = oneshot::channel();
        let waiter = AckWaiter { slot: written.slot, replicas, acknowledged };
        match self.waiting.lock().entry(written.node.clone()) {
            Entry::Occupied(mut running) => running.get_mut().push(waiter),
            Entry::Vacant(idle) => {
                idle.insert(vec![waiter]);
                tokio::spawn(self.clone().run_rounds(written.node.clone()));
            }
        }
        outcome
    }

    /// Runs round after round, until no write waits.
    async fn run_rounds(self, node: Server) {
        while let Some(waiters) = self.take_waiters(&node) {
            let replicas = waiters.iter().map(|waiter| waiter.replicas).max().unwrap_or(1);
            let acknowledged = self.run_round(&node, waiters[0].slot, replicas).await;
            for waiter in waiters {
                // Fails if the waiter's time was up.
                let _ = waiter.acknowledged.send(acknowledged);
            }
        }
    }

    /// The writes for the next round. If there are none, marks the primary as idle.
    fn take_waiters(&self, node: &Server) -> Option<Vec<AckWaiter>> {
        let mut waiting = self.waiting.lock();
        let waiters = std::mem::take(waiting.get_mut(node)?);
        if waiters.is_empty() {
            waiting.remove(node);
            return None;
        }
        Some(waiters)
    }

    /// Returns whether this many replicas have everything that was written at the server before. `slot` is that of one
    /// of the writes.
    async fn run_round(&self, node: &Server, slot: Slot, replicas: usize) -> bool {
        let table = self.topology.table();
        // A server that is being given its first slot owns none, and takes only keys of that slot, after ASKING.
        let asking = !table.has_primary(node);
        let is_usable = |key: &String| {
            if asking { Slot::of(key) == slot } else { table.owner(Slot::of(key)) == Some(node) }
        };
        let fences = (0..FENCE_KEYS).map(|number| format!("fence:{number}")).filter(is_usable);
        for fence in fences.take(MAX_FENCES) {
            let commands = [
                RedisCommand::new("SET", [fence.as_str(), "", "PX", FENCE_LIFE_MS]),
                RedisCommand::new("WAIT", [replicas.to_string().as_str(), WAIT_LIMIT_MS]),
            ];
            let Some(client) = self.connected_client(node).await else { return false };
            // On another connection, which wrote nothing, WAIT would count every replica at once.
            let replies = send_all_on_one_connection(&client, &commands, asking).await;
            if let [Ok(_), Ok(acknowledged_by)] = &replies[..] {
                return acknowledged_by.as_u64().is_some_and(|count| count >= replicas as u64);
            }
            self.refusals.observe(node, &replies);
            let error = replies.iter().find_map(|reply| reply.as_ref().err());
            let redirect = error.and_then(|error| Redirect::from_error(error, node));
            if !matches!(redirect, Some(Redirect::Moved(_) | Redirect::Ask(_))) {
                tracing::debug!(%node, ?error, "couldn't ask Redis whether its replicas have a write");
                return false;
            }
            self.topology.request_refresh();
        }
        false
    }

    /// Waits until there is a connection to this server; `None` if that takes too long.
    async fn connected_client(&self, node: &Server) -> Option<Client> {
        let mut connection = self.nodes.get(node).state();
        let connected = timeout(CONNECT_LIMIT, connection.wait_for(|state| state.generation.is_some())).await;
        Some(connected.ok()?.ok()?.client.clone())
    }
}

async fn end_unneeded_connections(topology: Topology, nodes: ConnectionPool) {
    let mut tables = topology.subscribe();
    while tables.changed().await.is_ok() {
        let table = tables.borrow_and_update().clone();
        nodes.retain(|node| table.required_acks(node).is_some_and(|acks| acks > RequiredAcks::AtLeast(0)));
    }
}
