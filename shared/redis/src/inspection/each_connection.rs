//! Runs something each time that a primary is connected to.

use std::{collections::HashMap, time::SystemTime};

use fred::{clients::Client, types::config::Server};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    connection::{pool::ConnectionPool, state::ConnectionState},
    topology::refresher::Topology,
};

/// A primary that was just connected to.
pub(crate) struct PrimaryConnection {
    pub(crate) node: Server,
    pub(crate) client: Client,
    /// Tells this connection from earlier and later ones; see [`ConnectionState`].
    pub(crate) generation: u64,
    /// When the connection before it was lost. `None` if there was none.
    pub(crate) lost_at: Option<SystemTime>,
}

/// Runs `inspect` for each primary, and again each time that it is connected to anew. A run that hasn't ended is
/// cancelled when its connection is lost or its server is no primary any more.
pub(crate) async fn for_each_connection<I, F>(topology: Topology, nodes: ConnectionPool, inspect: I)
where
    I: Fn(PrimaryConnection) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut tables = topology.subscribe();
    let mut tasks: HashMap<Server, AbortOnDropHandle<()>> = HashMap::new();
    loop {
        let table = tables.borrow_and_update().clone();
        tasks.retain(|node, _| table.has_primary(node));
        for node in table.nodes() {
            tasks.entry(node).or_insert_with_key(|node| {
                let connection = nodes.get(node).state();
                AbortOnDropHandle::new(tokio::spawn(follow(node.clone(), connection, inspect.clone())))
            });
        }
        if tables.changed().await.is_err() {
            return;
        }
    }
}

async fn follow<I, F>(node: Server, mut connection: watch::Receiver<ConnectionState>, inspect: I)
where
    I: Fn(PrimaryConnection) -> F,
    F: Future<Output = ()>,
{
    loop {
        let Ok(connected) =
            connection.wait_for(|state| state.connected_client().is_some()).await.map(|state| state.clone())
        else {
            return;
        };
        let Some(client) = connected.connected_client().cloned() else { continue };
        let inspection = async {
            let ConnectionState { generation, lost_at, .. } = connected;
            let generation = generation.unwrap_or_default();
            inspect(PrimaryConnection { node: node.clone(), client, generation, lost_at }).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = inspection => {}
            changed = connection.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
