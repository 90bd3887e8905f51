//! Knows which primaries may have lost keys a moment ago, so that a missing key says nothing there yet.
//!
//! | what happened | how it is noticed |
//! |---|---|
//! | `FLUSHALL`, `FLUSHDB`, `SWAPDB` | `INFO commandstats` counts them. It is asked when a key is missing, and so is never late |
//! | a restart without its data, a failover that lost writes | the primary was connected to anew |
//!
//! The gateways that hold the pages notice the same, and have their scenes opened again within seconds.
//!
//! See docs/decisions/036-a-scene-is-unknown-only-where-nothing-was-just-lost.md.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use fred::{clients::Client, types::config::Server};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    command::RedisCommand,
    connection::{managed::ConnectionState, pool::ConnectionPool},
    inspection::each_connection::{PrimaryConnection, for_each_connection},
    topology::refresher::Topology,
};

/// For how long a primary isn't believed. WeChat delivers a message for the last time after ten seconds.
const DOUBT_LASTS: Duration = Duration::from_secs(15);
/// What empties a server, as `INFO commandstats` writes it.
const EMPTYING: [&str; 3] = ["cmdstat_flushall:", "cmdstat_flushdb:", "cmdstat_swapdb:"];

/// What is known of the primaries. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecentLosses(Arc<Mutex<PrimaryPasts>>);

#[derive(Debug, Default)]
struct PrimaryPasts {
    /// Those that were primaries all the time since this process found the first ones. `None` before it has.
    original: Option<HashSet<Server>>,
    by_node: HashMap<Server, PrimaryPast>,
}

#[derive(Debug)]
struct PrimaryPast {
    /// Of the connection that this was learnt over.
    generation: u64,
    /// How many times it was emptied since it started. `None` if it doesn't say.
    emptied: Option<u64>,
    doubted_until: Option<Instant>,
}

impl RecentLosses {
    /// Starts to remember what happens to the primaries. `nodes` are the connections for commands.
    pub(crate) fn watch(topology: &Topology, nodes: &ConnectionPool) -> Self {
        let losses = Self::default();
        tokio::spawn(losses.clone().follow_primaries(topology.clone()));
        let remember = losses.clone();
        let inspect = move |connection| remember.clone().connected(connection);
        tokio::spawn(for_each_connection(topology.clone(), nodes.clone(), inspect));
        losses
    }

    async fn follow_primaries(self, topology: Topology) {
        let mut tables = topology.subscribe();
        loop {
            let primaries = tables.borrow_and_update().nodes();
            self.0.lock().follow(primaries);
            if tables.changed().await.is_err() {
                return;
            }
        }
    }

    async fn connected(self, connection: PrimaryConnection) {
        let PrimaryConnection { node, client, generation, is_first } = connection;
        self.0.lock().begin(node.clone(), generation, is_first);
        let emptied = times_emptied(&client).await;
        if let Some(past) = self.0.lock().by_node.get_mut(&node) {
            past.emptied = emptied;
        }
    }

    /// Whether this primary may have lost keys within the last seconds.
    pub(crate) async fn may_have_lost_keys(&self, node: &Server, connection: &ConnectionState) -> bool {
        if let Some(is_doubted) = self.is_doubted(node, connection) {
            return is_doubted;
        }
        let Some(client) = connection.connected_client() else { return true };
        let Some(emptied) = times_emptied(client).await else { return false };
        let mut pasts = self.0.lock();
        let Some(past) = pasts.by_node.get_mut(node) else { return false };
        let was_emptied = past.emptied.replace(emptied).is_some_and(|before| before != emptied);
        if was_emptied {
            past.doubted_until = Some(Instant::now() + DOUBT_LASTS);
        }
        was_emptied
    }

    /// `None` if only the primary itself can tell.
    fn is_doubted(&self, node: &Server, connection: &ConnectionState) -> Option<bool> {
        let pasts = self.0.lock();
        match pasts.by_node.get(node).filter(|past| Some(past.generation) == connection.generation) {
            Some(past) => past.doubted_until.is_some_and(|until| Instant::now() < until).then_some(true),
            // The connection is so new that it wasn't looked at yet.
            None => Some(!(connection.is_first && pasts.is_original(node))),
        }
    }
}

impl PrimaryPasts {
    /// These are the primaries now. What was known of others is forgotten: one that comes back may have lost keys.
    fn follow(&mut self, primaries: Vec<Server>) {
        self.by_node.retain(|node, _| primaries.contains(node));
        match &mut self.original {
            Some(original) => original.retain(|node| primaries.contains(node)),
            None if primaries.is_empty() => {}
            original => *original = Some(primaries.into_iter().collect()),
        }
    }

    /// There is a new connection to this primary.
    fn begin(&mut self, node: Server, generation: u64, is_first: bool) {
        let is_believed = is_first && self.is_original(&node);
        let doubted_until = (!is_believed).then(|| Instant::now() + DOUBT_LASTS);
        self.by_node.insert(node, PrimaryPast { generation, emptied: None, doubted_until });
    }

    fn is_original(&self, node: &Server) -> bool {
        self.original.as_ref().is_none_or(|original| original.contains(node))
    }
}

/// How many times a server was emptied since it started. `None` if it doesn't tell.
pub(crate) async fn times_emptied(client: &Client) -> Option<u64> {
    let answer = RedisCommand::new("INFO", ["commandstats"]).send(client).await.ok()?;
    Some(count_emptied(&answer.into_string()?))
}

/// `commandstats` has a line for each command that was called.
fn count_emptied(commandstats: &str) -> u64 {
    let calls = |line: &str| {
        let stats = EMPTYING.iter().find_map(|command| line.strip_prefix(command))?;
        stats.strip_prefix("calls=")?.split(',').next()?.parse::<u64>().ok()
    };
    commandstats.lines().filter_map(calls).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_that_was_replaced_is_forgotten() {
        let [old, new] = [Server::new("10.0.0.1", 6379), Server::new("10.0.0.2", 6379)];
        let mut pasts = PrimaryPasts::default();
        pasts.follow(vec![old.clone()]);
        pasts.begin(old.clone(), 1, true);
        pasts.follow(vec![old.clone()]);
        assert!(pasts.by_node[&old].doubted_until.is_none());
        pasts.follow(vec![new]);
        pasts.follow(vec![old.clone()]);
        // Its next connection is the first of a new client, and has the same generation.
        assert!(!pasts.by_node.contains_key(&old));
        pasts.begin(old.clone(), 1, true);
        assert!(pasts.by_node[&old].doubted_until.is_some());
    }

    #[test]
    fn whatever_empties_a_server_is_counted() {
        let stats = "# Commandstats\r\ncmdstat_get:calls=21,usec=175,usec_per_call=8.33\r\n\
                     cmdstat_flushall:calls=2,usec=9,usec_per_call=4.50,rejected_calls=0,failed_calls=0\r\n\
                     cmdstat_flushdb:calls=1,usec=9\r\ncmdstat_swapdb:calls=4\r\ncmdstat_flushing:calls=9\r\n";
        assert_eq!(count_emptied(stats), 7);
        for nothing in ["", "# Commandstats\r\n", "cmdstat_flushall:calls=x", "cmdstat_flushall:", "cmdstat_flushall"] {
            assert_eq!(count_emptied(nothing), 0, "{nothing}");
        }
    }
}
