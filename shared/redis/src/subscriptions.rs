//! Connections that only subscribe: they ask in batches, and say when they may have lost something.
//!
//! Only `SSUBSCRIBE` is used, one channel a command, on standalone servers too: in a Cluster its channel
//! sits in its scene's slot, and it is the one subscribe whose confirmation can be waited for. The
//! client's own way of subscribing again after a reconnect is not used: it sends all channels in one
//! command, and Redis cuts connections that ask for too many at a time. Nor does the client tell of
//! the `sunsubscribe` by which a node ends what is subscribed in a slot that it gives away; the
//! table does.

use std::{collections::HashMap, sync::Arc};

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::config::Server,
};
use futures_util::future::join_all;
use tokio::sync::{broadcast::error::RecvError, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    client::Redis,
    commands::{
        command::{RedisCommand, items, send_all},
        redirect::Redirect,
    },
    connection::{health::ConnectionHealth, managed::ConnectionState, pool::ConnectionPool},
    error::{RedisError, RedisErrorKind},
    reply::Reply,
    topology::{
        refresher::Topology,
        slots::{Primary, Slot, SlotTable, Slots},
    },
};

/// Messages that may wait to be read, from all nodes together. The client keeps several queues of this
/// size, so it is not generous: what doesn't fit is found again in the mailboxes.
const WAITING_AT_MOST: usize = 4096;
/// The same from one of many nodes, at least.
const WAITING_AT_LEAST: usize = 256;

/// What is heard unasked.
#[derive(Debug)]
pub enum PubSubEvent {
    /// A message on a channel.
    Message {
        /// The channel.
        channel: String,
        /// The message.
        message: String,
    },
    /// The connection for these slots is lost, and with it what is subscribed.
    Disconnected(Slots),
    /// The connection for these slots is new: nothing of theirs is subscribed.
    Connected(Slots),
    /// These slots have another primary: nothing of theirs is subscribed there.
    Moved(Slots),
    /// Messages for these slots were lost, though the connection stands.
    Lagged(Slots, u64),
}

/// Told of what is heard. It must not take long: Redis cuts a connection that isn't drained.
type EventHandler = Arc<dyn Fn(PubSubEvent) + Send + Sync>;

/// The asking half of it. Clones share the connections.
#[derive(Clone)]
pub struct Subscriber {
    topology: Topology,
    nodes: ConnectionPool,
}

impl Redis {
    /// Connections of their own that only subscribe, one to each primary.
    pub fn subscriptions(&self, heard: impl Fn(PubSubEvent) + Send + Sync + 'static) -> Subscriber {
        let standing = ConnectionHealth::new("subscriptions", &self.connected, self.router.topology().hinter());
        let address = self.address.clone();
        let nodes = ConnectionPool::new(move |node| address.config(node), standing);
        tokio::spawn(follow(self.router.topology().clone(), nodes.clone(), Arc::new(heard)));
        Subscriber { topology: self.router.topology().clone(), nodes }
    }
}

/// Keeps a connection to each primary, and says which slots have another one.
async fn follow(topology: Topology, nodes: ConnectionPool, heard: EventHandler) {
    let mut tables = topology.tables();
    let mut before = Arc::new(SlotTable::empty());
    let mut listening: HashMap<Server, AbortOnDropHandle<()>> = HashMap::new();
    loop {
        let table = tables.borrow_and_update().clone();
        nodes.only(|node| table.has(node));
        listening.retain(|node, _| table.has(node));
        let waiting = (WAITING_AT_MOST / table.primaries().count().max(1)).max(WAITING_AT_LEAST);
        for Primary { node, .. } in table.primaries() {
            listening.entry(node.clone()).or_insert_with(|| {
                let connection = nodes.hearing(node, waiting).present();
                AbortOnDropHandle::new(tokio::spawn(listen(node.clone(), connection, topology.clone(), heard.clone())))
            });
        }
        // Only now: whoever hears it subscribes by this table, over these connections.
        let moved = table.moved_since(&before);
        if !moved.is_empty() {
            heard(PubSubEvent::Moved(moved));
        }
        before = table;
        if tables.changed().await.is_err() {
            return;
        }
    }
}

/// Drains a connection, and does nothing else.
async fn listen(
    node: Server,
    mut connection: watch::Receiver<ConnectionState>,
    topology: Topology,
    heard: EventHandler,
) {
    let mut messages = connection.borrow().client.message_rx();
    let (mut stood, mut open) = (None, true);
    loop {
        tokio::select! {
            // A new connection first: it is what makes the messages before it incomplete.
            biased;
            changed = connection.changed() => {
                if changed.is_err() {
                    return;
                }
                let present = connection.borrow_and_update();
                let stands = present.stands;
                if stands != stood {
                    stood = stands;
                    if stands.is_some() {
                        (messages, open) = (present.client.message_rx(), true);
                    }
                    drop(present);
                    let slots = topology.now().slots_of(&node);
                    heard(if stands.is_some() { PubSubEvent::Connected(slots) } else { PubSubEvent::Disconnected(slots) });
                }
            }
            message = messages.recv(), if open => match message {
                Ok(message) => {
                    if let Ok(text) = message.value.convert() {
                        heard(PubSubEvent::Message { channel: message.channel.to_string(), message: text });
                    }
                }
                Err(RecvError::Lagged(lost)) => heard(PubSubEvent::Lagged(topology.now().slots_of(&node), lost)),
                Err(RecvError::Closed) => open = false,
            },
        }
    }
}

impl Subscriber {
    /// Who has to be asked for this channel now, if anybody is known.
    pub fn primary(&self, channel: &str) -> Option<Server> {
        self.topology.now().owner(Slot::of(channel)).cloned()
    }

    /// Subscribes to these channels there, all at a time; answers the outcome of each.
    pub async fn subscribe(&self, primary: &Server, channels: &[String]) -> Vec<Result<(), RedisError>> {
        let Some(client) = self.client(primary) else {
            return vec![
                Err(RedisError::new(RedisErrorKind::NoAnswer, format!("{primary} isn't connected")));
                channels.len()
            ];
        };
        let subscribes: Vec<_> =
            channels.iter().map(|channel| RedisCommand::new("SSUBSCRIBE", [channel.as_str()])).collect();
        let answers = send_all(&client, &subscribes, false).await;
        let outcomes = channels.iter().zip(answers).map(|(channel, answer)| match answer {
            Ok(answer) if confirms(&answer, channel) => Ok(()),
            Ok(_) => Err(SubscribeFailure::Anothers),
            Err(error) => Err(SubscribeFailure::of(error, channel, primary)),
        });
        let outcomes: Vec<_> = outcomes.collect();
        if outcomes.iter().any(|outcome| matches!(outcome, Err(SubscribeFailure::Moved(_)))) {
            self.topology.hint();
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Err(SubscribeFailure::Anothers))) {
            tracing::warn!(node = %primary, "confirmations are out of step; connecting anew");
            // It fails only where the client is being replaced.
            let _ = client.force_reconnection().await;
        }
        outcomes.into_iter().map(|outcome| outcome.map_err(SubscribeFailure::error)).collect()
    }

    /// Unsubscribes from these channels there. Done when that has been sent: its answer is never waited
    /// for, and a lost one costs a message that nobody hears.
    pub async fn unsubscribe(&self, primary: &Server, channels: impl Iterator<Item = String>) {
        if let Some(client) = self.client(primary) {
            join_all(channels.map(|channel| client.sunsubscribe(channel))).await;
        }
    }

    /// How many channels are subscribed there, says the primary; Redis tells from 7.0.3 on. A node ends what is
    /// subscribed in a slot without a word to us that the client would pass on, for one when it is told
    /// again that the slot is its own.
    pub async fn count(&self, primary: &Server) -> Option<usize> {
        let info = RedisCommand::new("CLIENT", ["INFO"]).send(&self.client(primary)?).await.ok()?.into_string()?;
        info.split_ascii_whitespace().find_map(|fact| fact.strip_prefix("ssub="))?.parse().ok()
    }

    /// The client of a connection that stands. On another, nothing is asked for: whoever waits is told when it
    /// stands, and what was asked before would be worth nothing.
    fn client(&self, primary: &Server) -> Option<Client> {
        let present = self.nodes.known(primary)?.present();
        let present = present.borrow();
        present.stands.map(|_| present.client.clone())
    }
}

/// Why a subscribe isn't confirmed.
enum SubscribeFailure {
    /// The answer belongs to another command: the client waits for none to an unsubscribe, so that an error
    /// that answers one is taken for the next subscribe's, and every answer after it for its neighbour's.
    Anothers,
    /// Another node owns the slot.
    Moved(RedisError),
    Other(RedisError),
}

impl SubscribeFailure {
    fn of(error: Error, channel: &str, primary: &Server) -> Self {
        match Redirect::of(&error, primary) {
            Some(Redirect::Moved(_)) if Redirect::slot(&error) != Some(Slot::of(channel)) => Self::Anothers,
            Some(Redirect::Moved(_)) => Self::Moved(error.into()),
            _ => Self::Other(error.into()),
        }
    }

    fn error(self) -> RedisError {
        match self {
            Self::Anothers => RedisError::new(RedisErrorKind::NoAnswer, "Redis answered another command instead"),
            Self::Moved(error) | Self::Other(error) => error,
        }
    }
}

/// Whether this is `ssubscribe`'s answer for this channel.
fn confirms(answer: &Reply, channel: &str) -> bool {
    let is = |place: usize, word: &str| items(answer).get(place).and_then(Reply::as_str).is_some_and(|is| is == word);
    is(0, "ssubscribe") && is(1, channel)
}

#[cfg(test)]
mod tests {
    use fred::error::ErrorKind;

    use super::*;

    #[test]
    fn only_its_own_answer_confirms_a_subscribe() {
        let answer = |kind: &str, channel: &str| Reply::Array(vec![kind.into(), channel.into(), Reply::Integer(1)]);
        assert!(confirms(&answer("ssubscribe", "wx:a"), "wx:a"));
        for other in [answer("ssubscribe", "wx:b"), answer("sunsubscribe", "wx:a"), Reply::from("PONG"), Reply::Null] {
            assert!(!confirms(&other, "wx:a"), "{other:?}");
        }
    }

    #[test]
    fn a_redirection_of_another_slot_is_another_commands() {
        let refusal =
            |text: String| SubscribeFailure::of(Error::new(ErrorKind::Cluster, text), "foo", &Server::new("a", 1));
        assert!(matches!(refusal("MOVED 12182 b:1".to_owned()), SubscribeFailure::Moved(_)));
        assert!(matches!(refusal("MOVED 12183 b:1".to_owned()), SubscribeFailure::Anothers));
        assert!(matches!(refusal("NOPERM no".to_owned()), SubscribeFailure::Other(_)));
    }
}
