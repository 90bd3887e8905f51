//! Reads the connections that subscribe, and reports what happens on them.

use std::{collections::HashMap, sync::Arc};

use fred::{
    interfaces::EventInterface,
    types::{Message, config::Server},
};
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    connection::{pool::ConnectionPool, state::ConnectionState},
    subscriptions::event::{EventHandler, PubSubEvent},
    topology::{refresher::Topology, slots::SlotTable},
};

/// How many messages may wait to be read, on all connections together. The client keeps several queues of this size,
/// so it is not large. Messages that don't fit are lost; the mailboxes have their events.
const MAX_WAITING_MESSAGES: usize = 4096;
/// How many may wait on one connection, however many connections there are.
const MIN_WAITING_MESSAGES: usize = 256;

/// Keeps a connection to each primary, with a task that reads it, and reports slots that have moved.
pub(super) async fn follow_topology(topology: Topology, nodes: ConnectionPool, on_event: EventHandler) {
    let mut tables = topology.subscribe();
    let mut previous = Arc::new(SlotTable::empty());
    let mut listeners: HashMap<Server, AbortOnDropHandle<()>> = HashMap::new();
    loop {
        let table = tables.borrow_and_update().clone();
        nodes.retain(|node| table.has_primary(node));
        listeners.retain(|node, _| table.has_primary(node));
        let primaries = table.nodes();
        let capacity = (MAX_WAITING_MESSAGES / primaries.len().max(1)).max(MIN_WAITING_MESSAGES);
        for node in primaries {
            listeners.entry(node).or_insert_with_key(|node| {
                let connection = nodes.get_with_capacity(node, capacity).state();
                let listener = listen(node.clone(), connection, topology.clone(), on_event.clone());
                AbortOnDropHandle::new(tokio::spawn(listener))
            });
        }
        // Reported last: the handler subscribes by this table, over these connections.
        let moved = table.changed_since(&previous);
        if !moved.is_empty() {
            on_event(PubSubEvent::Moved(moved));
        }
        previous = table;
        if tables.changed().await.is_err() {
            return;
        }
    }
}

/// Reports the messages on one connection, and when it is lost or back.
async fn listen(
    node: Server,
    mut connection: watch::Receiver<ConnectionState>,
    topology: Topology,
    on_event: EventHandler,
) {
    // `None` before it has connected. A client that is replaced closes its messages before the next one is connected.
    let mut messages = None;
    let mut reported_generation = None;
    loop {
        tokio::select! {
            // The state of the connection first: messages that are read after a reconnect was reported are complete.
            biased;
            changed = connection.changed() => {
                if changed.is_err() {
                    return;
                }
                let state = connection.borrow_and_update();
                let generation = state.generation;
                if generation == reported_generation {
                    continue;
                }
                reported_generation = generation;
                if let Some(client) = state.connected_client() {
                    messages = Some(client.message_rx());
                }
                // The handler may take locks, so the state must not be borrowed any more.
                drop(state);
                let slots = topology.table().slots_of(&node);
                on_event(match generation {
                    Some(_) => PubSubEvent::Connected(slots),
                    None => PubSubEvent::Disconnected(slots),
                });
            }
            message = next_message(&mut messages) => match message {
                Ok(message) => {
                    if let Ok(text) = message.value.convert() {
                        on_event(PubSubEvent::Message { channel: message.channel.to_string(), message: text });
                    }
                }
                Err(RecvError::Lagged(lost)) => on_event(PubSubEvent::Lagged(topology.table().slots_of(&node), lost)),
                Err(RecvError::Closed) => messages = None,
            },
        }
    }
}

/// The next message; never, if there is no connection that could bring one.
async fn next_message(messages: &mut Option<Receiver<Message>>) -> Result<Message, RecvError> {
    match messages {
        Some(messages) => messages.recv().await,
        None => std::future::pending().await,
    }
}
