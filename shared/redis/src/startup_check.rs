//! Warns of a Redis that is set up so that it loses scenes.

use std::collections::HashSet;

use fred::types::config::Server;

use crate::{commands::command::RedisCommand, connection::pool::ConnectionPool, topology::refresher::Topology};

/// Looks at each primary once. One that may not be asked is not warned of.
pub(crate) async fn warn(topology: Topology, nodes: ConnectionPool) {
    let mut seen = HashSet::new();
    let mut tables = topology.tables();
    loop {
        let table = tables.borrow_and_update().clone();
        for primary in table.primaries().filter(|primary| seen.insert(primary.node.clone())) {
            tokio::spawn(look(primary.node.clone(), nodes.clone()));
        }
        if tables.changed().await.is_err() {
            return;
        }
    }
}

async fn look(node: Server, nodes: ConnectionPool) {
    let Ok(client) = nodes.to(&node).permit().map(|permit| permit.client) else { return };
    let info = RedisCommand::new("INFO", [""; 0]).send(&client).await;
    let Some(info) = info.ok().and_then(crate::reply::Reply::into_string) else { return };
    let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let version = line("redis_version:");
    if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 7) {
        tracing::warn!(%node, version, "Redis is older than 7.0, which this needs");
    }
    let policy = line("maxmemory_policy:");
    if policy != "noeviction" {
        tracing::warn!(%node, policy, "Redis may evict scenes while they are shown; set maxmemory-policy to noeviction");
    }
}
