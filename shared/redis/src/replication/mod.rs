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
//! ([`RequiredAcks`]): any of them may be the next primary. `WAIT` says only how many have the fence, so where
//! sentinels name the replicas, `ROLE` goes before and after it, and tells which ones have it.
//!
//! A server that was made a replica after a write, and then a primary again, has lost the write, and acknowledges all the
//! same. Its [`ReplicationHistory`] tells: a write counts only in the one that the server had before.
//!
//! See docs/decisions/007-a-login-counts-once-all-promotable-replicas-have-it.md.
//! See docs/decisions/016-a-moved-slot-is-as-safe-as-its-new-node.md.
//! See docs/decisions/038-an-acknowledgement-names-its-replicas.md.

mod round;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use fred::{clients::Client, types::config::Server};
use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::{
    command::{RedisCommand, send_all_on_one_connection},
    connection::{pool::ConnectionPool, state::ConnectionState},
    error::{RedisError, RedisErrorKind},
    history::ReplicationHistory,
    inspection::refusals::RefusalCounter,
    replication::round::Acknowledgement,
    role::PrimaryRole,
    routing::{redirect::Redirect, router::RoutedReplies},
    topology::{
        acks::{RequiredAcks, RequiredReplicas},
        refresher::Topology,
        slots::{Slot, SlotTable},
    },
};

/// How long a round waits for its connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How long a write waits in all: for the end of the running round, and for its own.
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(2);
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
    /// That of `node` before the write.
    history: ReplicationHistory,
}

impl WritePosition {
    pub(crate) fn new(key: &str, routed: &RoutedReplies) -> Self {
        Self {
            slot: Slot::of(key),
            node: routed.node.clone(),
            is_ask_target: routed.is_ask_target,
            history: routed.history.clone(),
        }
    }

    /// The host and port of the server that was written to.
    pub fn server(&self) -> (&str, u16) {
        (&self.node.host, self.node.port)
    }
}

/// Waits for replicas to acknowledge writes. Clones share the connections and the rounds.
#[derive(Clone)]
pub(crate) struct ReplicaAcknowledger {
    topology: Topology,
    nodes: ConnectionPool,
    /// The connections that writes go over.
    commands: ConnectionPool,
    /// The writes that wait for the next round of each primary. A primary has an entry while its rounds run.
    waiting: Arc<Mutex<HashMap<Server, Vec<AckWaiter>>>>,
    refusals: RefusalCounter,
}

struct AckWaiter {
    slot: Slot,
    /// The replicas that must have the write.
    required: RequiredReplicas,
    /// That of the server before the write.
    history: ReplicationHistory,
    acknowledged: oneshot::Sender<bool>,
}

impl ReplicaAcknowledger {
    /// `nodes` must be used for nothing else. Connections to servers without replicas are ended. Writes go over `commands`.
    pub(crate) fn new(
        topology: &Topology,
        nodes: ConnectionPool,
        commands: ConnectionPool,
        refusals: RefusalCounter,
    ) -> Self {
        tokio::spawn(end_unneeded_connections(topology.clone(), nodes.clone()));
        Self { topology: topology.clone(), nodes, commands, waiting: Arc::default(), refusals }
    }

    /// Returns when all replicas that may be promoted have the write; at once if there are none.
    pub(crate) async fn wait(&self, written: &WritePosition) -> Result<(), RedisError> {
        let acknowledged = timeout(ACKNOWLEDGE_LIMIT, async {
            match self.required_replicas(written).await {
                RequiredReplicas { count: 0, .. } => true,
                required => self.join_next_round(written, required).await.unwrap_or(false),
            }
        });
        if acknowledged.await.unwrap_or(false) {
            Ok(())
        } else {
            let message = format!("the replicas of Redis at {} didn't acknowledge the write in time", written.node);
            Err(RedisError::new(RedisErrorKind::NotAcknowledged, message))
        }
    }

    /// Returns when a write to the owner of this slot can be acknowledged. What can't be would be heard by pages and then
    /// be lost. Says nothing of a slot without an owner.
    pub(crate) async fn until_attainable(&self, slot: Slot) -> Result<(), RedisError> {
        let is_attainable =
            |table: &Arc<SlotTable>| table.owner(slot).is_none_or(|owner| attainable(table, owner).is_some());
        if self.topology.is_recent() && is_attainable(&self.topology.table()) {
            return Ok(());
        }
        let mut tables = self.topology.subscribe();
        let waiting = async {
            self.topology.until_recent().await;
            tables.wait_for(is_attainable).await.is_ok()
        };
        if timeout(ACKNOWLEDGE_LIMIT, waiting).await.unwrap_or(false) {
            return Ok(());
        }
        let message = "nothing was written, because no replica could acknowledge it now";
        Err(RedisError::new(RedisErrorKind::NotAcknowledged, message))
    }

    /// The replicas that must have the write. Waits until they are known and can have it. The server itself isn't asked
    /// if it has left the table: it may be cut off, and see no replicas for that reason.
    async fn required_replicas(&self, written: &WritePosition) -> RequiredReplicas {
        let node = &written.node;
        if written.is_ask_target && !self.topology.table().has_primary(node) {
            // The server is being given its first slot, so it isn't in the table yet.
            return RequiredReplicas::count(self.count_replicas(node).await.unwrap_or(1));
        }
        self.topology.until_recent().await;
        let mut tables = self.topology.subscribe();
        let is_attainable = |table: &Arc<SlotTable>| attainable(table, node).is_some();
        let table = tables.wait_for(is_attainable).await;
        // The table has no sender any more if the process ends.
        table.ok().and_then(|table| attainable(&table, node).cloned()).unwrap_or(RequiredReplicas::count(1))
    }

    /// How many replicas this server says that it has.
    async fn count_replicas(&self, node: &Server) -> Option<usize> {
        let connection = self.nodes.get(node);
        let permit = connection.permit(Instant::now() + CONNECT_LIMIT).await.ok()?;
        let role = RedisCommand::role().send(&permit.client).await.ok()?;
        Some(PrimaryRole::parse(&role)?.replica_count())
    }

    /// The receiver gets whether the next round reached the replicas.
    fn join_next_round(&self, written: &WritePosition, required: RequiredReplicas) -> oneshot::Receiver<bool> {
        let (acknowledged, outcome) = oneshot::channel();
        let waiter = AckWaiter { slot: written.slot, required, history: written.history.clone(), acknowledged };
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
            let replicas = waiters.iter().map(|waiter| waiter.required.count).max().unwrap_or(1);
            let names = waiters.iter().any(|waiter| !waiter.required.named.is_empty());
            let acknowledged = self.run_round(&node, waiters[0].slot, replicas, names).await;
            if let Some(acknowledged) = &acknowledged {
                self.replace_older_connection(&node, &acknowledged.history);
            }
            for waiter in waiters {
                let is_enough = acknowledged.as_ref().is_some_and(|acknowledged| {
                    acknowledged.history == waiter.history && acknowledged.meets(&waiter.required)
                });
                // Fails if the waiter's time was up.
                let _ = waiter.acknowledged.send(is_enough);
            }
        }
    }

    /// Ends the connection for commands if the server has begun another history since it was made: what goes over it
    /// counts no more.
    fn replace_older_connection(&self, node: &Server, history: &ReplicationHistory) {
        if history.is_told()
            && let Some(connection) = self.commands.get_existing(node)
            && connection.state().borrow().connected().is_some_and(|connected| connected.history != *history)
        {
            tracing::info!(
                %node,
                "this Redis server is another one than before, or was a replica for a moment; connecting to it anew"
            );
            connection.replace();
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

    /// Returns who has everything that was written at the server before, once this many replicas have it; with
    /// `names`, also which ones. `None` if that isn't so in time, or if the server is no primary, or not surely one.
    /// `slot` is that of one of the writes.
    async fn run_round(&self, node: &Server, slot: Slot, replicas: usize, names: bool) -> Option<Acknowledgement> {
        let table = self.topology.table();
        // A server that is being given its first slot owns none, and takes only keys of that slot, after ASKING.
        let asking = !table.has_primary(node);
        let is_usable = |key: &String| {
            if asking { Slot::of(key) == slot } else { table.owner(Slot::of(key)) == Some(node) }
        };
        let fences = (0..FENCE_KEYS).map(|number| format!("fence:{number}")).filter(is_usable);
        for fence in fences.take(MAX_FENCES) {
            let client = self.connected_client(node).await?;
            // On another connection, which wrote nothing, WAIT would count every replica at once.
            let replies = send_all_on_one_connection(&client, &round::commands(&fence, replicas, names), asking).await;
            if let Some(acknowledged) = Acknowledgement::parse(&replies) {
                return Some(acknowledged).filter(|acknowledged| asking || self.still_counts(node, acknowledged));
            }
            self.refusals.observe(node, &replies);
            let error = replies.iter().find_map(|reply| reply.as_ref().err());
            let redirect = error.and_then(|error| Redirect::from_error(error, node));
            if !matches!(redirect, Some(Redirect::Moved(_) | Redirect::Ask(_))) {
                tracing::debug!(%node, ?error, "couldn't ask Redis whether its replicas have a write");
                return None;
            }
            self.topology.request_refresh();
        }
        None
    }

    /// Whether what was enough when the round began is enough at its end. Meanwhile another server may have become the
    /// primary, or another replica one that may be promoted.
    fn still_counts(&self, node: &Server, acknowledged: &Acknowledgement) -> bool {
        self.topology.is_recent()
            && attainable(&self.topology.table(), node).is_some_and(|required| acknowledged.meets(required))
    }

    /// Waits until there is a connection to this server; `None` if that takes too long.
    async fn connected_client(&self, node: &Server) -> Option<Client> {
        let mut connection = self.nodes.get(node).state();
        let is_connected = |state: &ConnectionState| state.connected_client().is_some();
        let connected = timeout(CONNECT_LIMIT, connection.wait_for(is_connected)).await;
        connected.ok()?.ok()?.connected_client().cloned()
    }
}

/// What a write to this server needs; `None` while nothing is enough, or nobody knows.
fn attainable<'a>(table: &'a SlotTable, node: &Server) -> Option<&'a RequiredReplicas> {
    match table.required_acks(node)? {
        RequiredAcks::Replicas(required) => Some(required),
        RequiredAcks::Unattainable(_) => None,
    }
}

async fn end_unneeded_connections(topology: Topology, nodes: ConnectionPool) {
    let mut tables = topology.subscribe();
    while tables.changed().await.is_ok() {
        let table = tables.borrow_and_update().clone();
        nodes.retain(|node| table.required_acks(node).is_some_and(|acks| !acks.is_none()));
    }
}
