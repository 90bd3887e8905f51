//! Runs something each time that a primary is connected to.

use std::collections::HashMap;

use fred::{clients::Client, types::config::Server};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    connection::{managed::ConnectionState, pool::ConnectionPool},
    topology::refresher::Topology,
};

/// Runs `inspect` for each primary, and again each time that it is connected to anew. A run that hasn't ended is
/// cancelled when its connection is lost or its server is no primary any more.
pub(crate) async fn for_each_connection<I, F>(topology: Topology, nodes: ConnectionPool, inspect: I)
where
    I: Fn(Server, Client) -> F + Clone + Send + Sync + 'static,
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
    I: Fn(Server, Client) -> F,
    F: Future<Output = ()>,
{
    loop {
        let connected = connection.wait_for(|state| state.generation.is_some()).await;
        let Ok(client) = connected.map(|state| state.client.clone()) else { return };
        let inspection = async {
            inspect(node.clone(), client).await;
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
