//! Subscribes and unsubscribes.

use std::{collections::HashMap, sync::Arc};

use fred::{clients::Client, error::Error, interfaces::PubsubInterface, types::config::Server};
use futures_util::future::join_all;

use crate::{
    client::{Redis, node_pool},
    command::{RedisCommand, array_items, send_all},
    connection::{health::ConnectionHealth, pool::ConnectionPool},
    error::{RedisError, RedisErrorKind},
    inspection::{each_connection::for_each_connection, refusals::RefusalCounter},
    reply::Reply,
    routing::redirect::Redirect,
    subscriptions::{
        event::{EventHandler, PubSubEvent},
        listener::follow_topology,
        losses::LossWatcher,
    },
    topology::{
        refresher::Topology,
        slots::{Slot, Slots},
    },
};

/// Subscribes to sharded channels. Clones share the connections.
///
/// See docs/decisions/010-subscriptions-have-their-own-connection.md.
#[derive(Clone)]
pub struct Subscriber {
    topology: Topology,
    nodes: ConnectionPool,
    refusals: RefusalCounter,
    /// Whether one command may name channels of several slots.
    is_one_server: bool,
}

impl Redis {
    /// Connects to each primary once more, to subscribe there. `on_event` is called for everything that happens on
    /// these connections. It must return quickly: Redis cuts a connection that isn't read fast enough.
    pub fn subscriptions(&self, on_event: impl Fn(PubSubEvent) + Send + Sync + 'static) -> Subscriber {
        let topology = self.router.topology().clone();
        let health = ConnectionHealth::new("subscriptions", &self.connected, topology.refresh_notify());
        let nodes = node_pool(&self.names, &self.address, health);
        let on_event: EventHandler = Arc::new(on_event);
        let losses = LossWatcher::new(topology.clone(), nodes.clone(), on_event.clone());
        let watch = move |connection| losses.clone().watch(connection);
        tokio::spawn(for_each_connection(topology.clone(), self.router.pool().clone(), watch));
        self.compare_runs(&nodes);
        tokio::spawn(follow_topology(topology.clone(), nodes.clone(), on_event));
        Subscriber { topology, nodes, refusals: self.refusals.clone(), is_one_server: self.is_one_server() }
    }
}

impl Subscriber {
    /// The primary that owns the channel's slot now, if one is known.
    pub fn primary(&self, channel: &str) -> Option<Server> {
        self.topology.table().owner(Slot::of(channel)).cloned()
    }

    /// These items by the primary that owns each one's slot now. Those whose slot has none are left out.
    pub fn by_primary<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        slot_of: impl Fn(&T) -> Slot,
    ) -> HashMap<Server, Vec<T>> {
        let table = self.topology.table();
        let mut by_primary: HashMap<&Server, Vec<T>> = HashMap::new();
        for item in items {
            if let Some(primary) = table.owner(slot_of(&item)) {
                by_primary.entry(primary).or_default().push(item);
            }
        }
        by_primary.into_iter().map(|(primary, items)| (primary.clone(), items)).collect()
    }

    /// The slots that this primary owns now.
    pub fn slots_of(&self, primary: &Server) -> Slots {
        self.topology.table().slots_of(primary)
    }

    /// Subscribes to these channels at this primary, all at the same time. Returns an outcome for each channel, in
    /// their order. `Ok` means that Redis has confirmed it.
    pub async fn subscribe(&self, primary: &Server, channels: &[String]) -> Vec<Result<(), RedisError>> {
        let Some(client) = self.connected_client(primary) else {
            let error = RedisError::new(RedisErrorKind::NoAnswer, format!("not connected to Redis at {primary}"));
            return vec![Err(error); channels.len()];
        };
        let commands: Vec<_> =
            channels.iter().map(|channel| RedisCommand::new("SSUBSCRIBE", [channel.as_str()])).collect();
        let answers = send_all(&client, &commands, false).await;
        self.refusals.observe(primary, &answers);
        let mut outcomes = Vec::with_capacity(channels.len());
        let mut has_moved = false;
        let mut is_out_of_step = false;
        for (channel, answer) in channels.iter().zip(answers) {
            outcomes.push(match check_confirmation(answer, channel, primary) {
                Ok(()) => Ok(()),
                Err(SubscribeFailure::Moved(error)) => {
                    has_moved = true;
                    Err(error)
                }
                Err(SubscribeFailure::OutOfStep) => {
                    is_out_of_step = true;
                    Err(RedisError::new(RedisErrorKind::NoAnswer, "Redis answered another command in its place"))
                }
                Err(SubscribeFailure::Other(error)) => Err(error),
            });
        }
        if has_moved {
            self.topology.request_refresh();
        }
        if is_out_of_step {
            tracing::warn!(
                node = %primary,
                "can't tell which channels Redis has subscribed; reconnecting, to subscribe to all again. If this \
                 repeats, check that the ACL of this pod's Redis user allows SUNSUBSCRIBE"
            );
            if let Some(connection) = self.nodes.get_existing(primary) {
                connection.replace();
            }
        }
        outcomes
    }

    /// Unsubscribes from these channels, by one command where Redis lets one name them all. Doesn't wait for answers: if
    /// one gets lost, messages arrive that nobody needs.
    pub async fn unsubscribe(&self, primary: &Server, channels: impl Iterator<Item = String>) {
        let Some(client) = self.connected_client(primary) else { return };
        let channels: Vec<_> = channels.collect();
        // Without a channel the command would end all subscriptions.
        if channels.is_empty() {
            return;
        }
        let commands: Vec<_> = if self.is_one_server {
            vec![channels]
        } else {
            channels.into_iter().map(|channel| vec![channel]).collect()
        };
        // The outcome doesn't matter: see above.
        join_all(commands.into_iter().map(|channels| client.sunsubscribe(channels))).await;
    }

    /// How many channels the primary says are subscribed on our connection; `None` if it doesn't say (before 7.0.3).
    /// It can be fewer than expected: a server ends the subscriptions of a slot even if it is only told again that the
    /// slot is its own, and the client doesn't pass that on.
    pub async fn count(&self, primary: &Server) -> Option<usize> {
        let client = self.connected_client(primary)?;
        let info = RedisCommand::new("CLIENT", ["INFO"]).send(&client).await.ok()?.into_string()?;
        info.split_ascii_whitespace().find_map(|fact| fact.strip_prefix("ssub="))?.parse().ok()
    }

    /// `None` while there is no connection. To wait for one would be useless: once it is there, everything has to be
    /// subscribed again anyway.
    fn connected_client(&self, primary: &Server) -> Option<Client> {
        let state = self.nodes.get_existing(primary)?.state();
        state.borrow().connected_client().cloned()
    }
}

/// Why a subscribe isn't confirmed.
#[derive(Debug)]
enum SubscribeFailure {
    /// The answer belongs to another command. The client expects no answer to an unsubscribe. So if Redis answers one
    /// with an error, the client takes that for the answer to the next command, and each later answer, too, goes to
    /// the wrong command.
    OutOfStep,
    /// Another server owns the slot.
    Moved(RedisError),
    Other(RedisError),
}

impl SubscribeFailure {
    fn from_error(error: Error, channel: &str, primary: &Server) -> Self {
        match Redirect::from_error(&error, primary) {
            Some(Redirect::Moved(_)) if Redirect::slot(&error) != Some(Slot::of(channel)) => Self::OutOfStep,
            Some(Redirect::Moved(_)) => Self::Moved(error.into()),
            _ => Self::Other(error.into()),
        }
    }
}

fn check_confirmation(answer: Result<Reply, Error>, channel: &str, primary: &Server) -> Result<(), SubscribeFailure> {
    let answer = answer.map_err(|error| SubscribeFailure::from_error(error, channel, primary))?;
    if is_confirmation(&answer, channel) { Ok(()) } else { Err(SubscribeFailure::OutOfStep) }
}

/// Whether this is the confirmation of an `SSUBSCRIBE` to this channel: `[ssubscribe, channel, count]`.
fn is_confirmation(answer: &Reply, channel: &str) -> bool {
    let item = |index: usize| array_items(answer).get(index).and_then(Reply::as_str);
    item(0).is_some_and(|kind| kind == "ssubscribe") && item(1).is_some_and(|subscribed| subscribed == channel)
}

#[cfg(test)]
mod tests {
    use fred::error::ErrorKind;

    use super::*;

    #[test]
    fn only_the_answer_for_the_same_channel_confirms_a_subscribe() {
        let answer = |kind: &str, channel: &str| Reply::Array(vec![kind.into(), channel.into(), Reply::Integer(1)]);
        assert!(is_confirmation(&answer("ssubscribe", "wx:a"), "wx:a"));
        for other in [answer("ssubscribe", "wx:b"), answer("sunsubscribe", "wx:a"), Reply::from("PONG"), Reply::Null] {
            assert!(!is_confirmation(&other, "wx:a"), "{other:?}");
        }
    }

    #[test]
    fn a_moved_error_for_another_slot_belongs_to_another_command() {
        let failure = |text: &'static str| {
            SubscribeFailure::from_error(Error::new(ErrorKind::Cluster, text), "foo", &Server::new("a", 1))
        };
        assert!(matches!(failure("MOVED 12182 b:1"), SubscribeFailure::Moved(_)));
        assert!(matches!(failure("MOVED 12183 b:1"), SubscribeFailure::OutOfStep));
        assert!(matches!(failure("NOPERM no"), SubscribeFailure::Other(_)));
    }
}
