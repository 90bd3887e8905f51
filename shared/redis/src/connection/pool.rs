//! Connections of one kind, one to a node, made when the node is first spoken to.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use fred::types::config::{Config, Server};

use crate::connection::{
    health::ConnectionHealth,
    managed::{ConnectionTask, ManagedConnection},
};

/// The connections. Clones share them.
#[derive(Clone)]
pub(crate) struct ConnectionPool(Arc<PoolState>);

struct PoolState {
    config: Box<dyn Fn(&Server) -> Config + Send + Sync>,
    standing: Arc<ConnectionHealth>,
    known: RwLock<HashMap<Server, PooledConnection>>,
}

struct PooledConnection {
    connection: ManagedConnection,
    _keeping: ConnectionTask,
    /// Whether it was spoken to since [`ConnectionPool::tidy`] last looked.
    spoken_to: AtomicBool,
}

impl ConnectionPool {
    /// None yet; `config` says how a node is reached.
    pub(crate) fn new(
        config: impl Fn(&Server) -> Config + Send + Sync + 'static,
        standing: Arc<ConnectionHealth>,
    ) -> Self {
        Self(Arc::new(PoolState { config: Box::new(config), standing, known: RwLock::default() }))
    }

    /// The connection to this node.
    pub(crate) fn to(&self, node: &Server) -> ManagedConnection {
        self.hearing(node, 32)
    }

    /// The same; if it is new, with so many places for what comes unasked.
    pub(crate) fn hearing(&self, node: &Server, heard: usize) -> ManagedConnection {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(node) {
            known.spoken_to.store(true, Ordering::Relaxed);
            return known.connection.clone();
        }
        drop(known);
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        let connect = || {
            let (connection, keeping) =
                ManagedConnection::new((self.0.config)(node), heard, self.0.standing.part(node.clone()));
            PooledConnection { connection, _keeping: keeping, spoken_to: AtomicBool::new(true) }
        };
        known.entry(node.clone()).or_insert_with(connect).connection.clone()
    }

    /// The connection to this node, if there is one.
    pub(crate) fn known(&self, node: &Server) -> Option<ManagedConnection> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(node).map(|known| known.connection.clone())
    }

    /// Ends the connection to a node that has lost its part. What is in flight on it fails at once, and can
    /// go to whoever has its part now.
    pub(crate) fn end(&self, node: &Server) {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).remove(node);
    }

    /// Ends the connections to nodes that aren't wanted.
    pub(crate) fn only(&self, wanted: impl Fn(&Server) -> bool) {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).retain(|node, _| wanted(node));
    }

    /// Ends the connections to nodes that aren't wanted and weren't spoken to since the last time.
    pub(crate) fn tidy(&self, wanted: impl Fn(&Server) -> bool) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|node, known| wanted(node) || known.spoken_to.swap(false, Ordering::Relaxed));
    }
}
