//! What a subscriber is told without asking.

use std::sync::Arc;

use crate::topology::slots::Slots;

/// What happened on the connections that subscribe.
#[derive(Debug)]
pub enum PubSubEvent {
    /// A message was published.
    Message {
        /// The channel that it was published on.
        channel: String,
        message: String,
    },
    /// The connection for these slots is lost, and all subscriptions in them.
    Disconnected(Slots),
    /// There is a new connection for these slots. Nothing is subscribed on it yet.
    Connected(Slots),
    /// These slots have another primary. Nothing is subscribed there yet.
    Moved(Slots),
    /// The primary of these slots was emptied (`FLUSHALL` and the like). The subscriptions still exist.
    Emptied(Slots),
    /// The server of these slots may have other data than before, though the connections to it stayed: it was a replica for
    /// a moment, or started again behind a proxy. Its subscriptions may be gone.
    Replaced(Slots),
    /// This many messages were lost, because they came faster than they were read. They may be of any of these slots.
    /// The subscriptions still exist.
    Lagged(Slots, u64),
}

/// Called for each event, in order. It must return quickly: Redis cuts a connection that isn't read fast enough.
pub(super) type EventHandler = Arc<dyn Fn(PubSubEvent) + Send + Sync>;
