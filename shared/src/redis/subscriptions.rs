//! A connection that only subscribes: asks in batches, and says when it may have lost something.
//!
//! Only `SSUBSCRIBE` is used, one channel a command, on standalone servers too: it is the one
//! subscribe whose confirmation the client waits for, and it never takes another's answer when
//! there is one channel a command (anything else it confirms before it is even written). The
//! client's own way of subscribing again after a reconnect is not used: it sends all channels in
//! one command, and Redis cuts connections that ask for too many at a time.

use fred::{
    clients::Client,
    interfaces::{EventInterface, PubsubInterface},
    types::{Message, config::Server},
};
use futures_util::future::join_all;
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};

use super::{Connection, Redis, RedisError};

/// Messages that may wait to be read. The client keeps several queues of this size, so it is not
/// generous: what doesn't fit is found again in the mailboxes.
const WAITING_AT_MOST: usize = 4096;

/// What a subscribing connection hears.
#[derive(Debug)]
pub(crate) enum Doorbell {
    /// A message on a channel.
    Rung {
        /// The channel.
        channel: String,
        /// The message.
        message: String,
    },
    /// The connection is new: nothing is subscribed on it.
    Connected,
    /// Messages were lost, though the connection stands.
    Lagged(u64),
}

/// A connection that only subscribes.
pub(crate) struct Subscriptions {
    clients: watch::Receiver<Client>,
    messages: Receiver<Message>,
    reconnects: Receiver<Server>,
}

/// The asking half of it. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Subscriber(watch::Receiver<Client>);

impl Redis {
    /// A connection of its own that only subscribes.
    pub(crate) fn subscriptions(&self) -> (Subscriptions, Subscriber) {
        let up = self.connected.with_label_values(&["subscriptions"]);
        let clients = Connection::new(&self.address, WAITING_AT_MOST, up).clients();
        let (messages, reconnects) = (clients.borrow().message_rx(), clients.borrow().reconnect_rx());
        (Subscriptions { clients: clients.clone(), messages, reconnects }, Subscriber(clients))
    }
}

impl Subscriber {
    /// Subscribes to these channels, all at a time; answers the outcome of each.
    pub(crate) async fn subscribe(&self, channels: impl Iterator<Item = String>) -> Vec<Result<(), RedisError>> {
        let client = self.0.borrow().clone();
        join_all(channels.map(async |channel| Ok(client.ssubscribe(channel).await?))).await
    }

    /// Unsubscribes from these channels. Done when that has been sent: its answer is never waited
    /// for, and a lost one costs a message that nobody hears.
    pub(crate) async fn unsubscribe(&self, channels: impl Iterator<Item = String>) {
        let client = self.0.borrow().clone();
        join_all(channels.map(|channel| client.sunsubscribe(channel))).await;
    }
}

impl Subscriptions {
    /// What is heard next; `None` once the process ends.
    pub(crate) async fn next(&mut self) -> Option<Doorbell> {
        loop {
            // A new client or connection first: it is what makes the messages before it incomplete.
            tokio::select! {
                biased;
                another = self.clients.changed() => {
                    another.ok()?;
                    let client = self.clients.borrow_and_update();
                    (self.messages, self.reconnects) = (client.message_rx(), client.reconnect_rx());
                    return Some(Doorbell::Connected);
                }
                Ok(_) | Err(RecvError::Lagged(_)) = self.reconnects.recv() => return Some(Doorbell::Connected),
                message = self.messages.recv() => match message {
                    Ok(message) => {
                        if let Ok(text) = message.value.convert() {
                            return Some(Doorbell::Rung { channel: message.channel.to_string(), message: text });
                        }
                    }
                    Err(RecvError::Lagged(lost)) => return Some(Doorbell::Lagged(lost)),
                    // Its client is being replaced.
                    Err(RecvError::Closed) => {}
                },
            }
        }
    }
}
