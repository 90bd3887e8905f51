//! Warns in the log about a Redis server whose configuration can lose scenes.

use std::collections::HashSet;

use fred::types::config::Server;

use crate::{command::RedisCommand, connection::pool::ConnectionPool, reply::Reply, topology::refresher::Topology};

/// The first major version that has sharded pub/sub.
const MIN_MAJOR_VERSION: u32 = 7;

/// Checks each primary once, when it first becomes one.
pub(crate) async fn run(topology: Topology, nodes: ConnectionPool) {
    let mut checked = HashSet::new();
    let mut tables = topology.subscribe();
    loop {
        let table = tables.borrow_and_update().clone();
        for node in table.nodes() {
            if checked.insert(node.clone()) {
                tokio::spawn(check(node, nodes.clone()));
            }
        }
        if tables.changed().await.is_err() {
            return;
        }
    }
}

/// Says nothing about a server that doesn't answer, or whose ACL forbids `INFO` to our user.
async fn check(node: Server, nodes: ConnectionPool) {
    let Ok(client) = nodes.get(&node).permit().map(|permit| permit.client) else { return };
    let answer = RedisCommand::new("INFO", [""; 0]).send(&client).await;
    let Some(info) = answer.ok().and_then(Reply::into_string) else { return };
    let fact = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let version = fact("redis_version:");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < MIN_MAJOR_VERSION) {
        tracing::warn!(%node, version, "Redis is too old for sharded pub/sub; upgrade it to 7.0 or newer");
    }
    let policy = fact("maxmemory_policy:");
    if policy != "noeviction" {
        tracing::warn!(
            %node, policy,
            "Redis may evict scenes while their pages are open, so logins fail; set maxmemory-policy to noeviction"
        );
    }
}
