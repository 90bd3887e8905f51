//! Connections of one kind: one for each server, made when it is first asked for.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use fred::types::config::{Config, Server};
use parking_lot::RwLock;
use scenecast_names::NameResolver;

use crate::connection::{
    health::ConnectionHealth,
    heartbeat::ExpectedRole,
    managed::{ConnectionTask, ManagedConnection},
};

/// How many pub/sub messages can wait on a connection that doesn't subscribe. It gets none.
const DEFAULT_MESSAGE_CAPACITY: usize = 32;

/// Connections by server. Clones share them.
///
/// See docs/decisions/010-subscriptions-have-their-own-connection.md.
#[derive(Clone)]
pub(crate) struct ConnectionPool(Arc<PoolState>);

struct PoolState {
    names: NameResolver,
    config: Box<dyn Fn(&Server) -> Config + Send + Sync>,
    expected_role: ExpectedRole,
    health: Arc<ConnectionHealth>,
    connections: RwLock<HashMap<Server, PooledConnection>>,
}

struct PooledConnection {
    connection: ManagedConnection,
    /// Whether it was asked for since the last [`ConnectionPool::remove_idle`].
    was_used: AtomicBool,
    _task: ConnectionTask,
}

impl ConnectionPool {
    /// An empty pool. `config` returns how to reach a server, which must have the expected role.
    pub(crate) fn new(
        names: NameResolver,
        config: impl Fn(&Server) -> Config + Send + Sync + 'static,
        expected_role: ExpectedRole,
        health: Arc<ConnectionHealth>,
    ) -> Self {
        let config = Box::new(config);
        Self(Arc::new(PoolState { names, config, expected_role, health, connections: RwLock::default() }))
    }

    /// The connection to this server, made now if there is none.
    pub(crate) fn get(&self, node: &Server) -> ManagedConnection {
        self.get_with_capacity(node, DEFAULT_MESSAGE_CAPACITY)
    }

    /// [`ConnectionPool::get`]; on a new connection, this many pub/sub messages can wait to be read.
    pub(crate) fn get_with_capacity(&self, node: &Server, message_capacity: usize) -> ManagedConnection {
        let connections = self.0.connections.read();
        if let Some(pooled) = connections.get(node) {
            pooled.was_used.store(true, Ordering::Relaxed);
            return pooled.connection.clone();
        }
        drop(connections);
        let connect = || {
            let reporter = self.0.health.reporter(node.clone());
            let (names, config) = (self.0.names.clone(), (self.0.config)(node));
            let (connection, task) =
                ManagedConnection::start(names, config, message_capacity, self.0.expected_role, reporter);
            PooledConnection { connection, was_used: AtomicBool::new(true), _task: task }
        };
        let mut connections = self.0.connections.write();
        connections.entry(node.clone()).or_insert_with(connect).connection.clone()
    }

    /// The connection to this server, if there is one already.
    pub(crate) fn get_existing(&self, node: &Server) -> Option<ManagedConnection> {
        self.0.connections.read().get(node).map(|pooled| pooled.connection.clone())
    }

    /// Ends the connection to this server. Commands in flight fail at once, so that they can be sent to another one.
    pub(crate) fn remove(&self, node: &Server) {
        self.0.connections.write().remove(node);
    }

    /// Ends the connections to servers that aren't needed.
    pub(crate) fn retain(&self, is_needed: impl Fn(&Server) -> bool) {
        self.0.connections.write().retain(|node, _| is_needed(node));
    }

    /// Ends the connections to servers that aren't needed and weren't used since the last call.
    pub(crate) fn remove_idle(&self, is_needed: impl Fn(&Server) -> bool) {
        let mut connections = self.0.connections.write();
        connections.retain(|node, pooled| is_needed(node) || pooled.was_used.load(Ordering::Relaxed));
        for pooled in connections.values() {
            pooled.was_used.store(false, Ordering::Relaxed);
        }
    }
}
