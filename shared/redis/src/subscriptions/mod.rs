//! Pub/sub: connections that only subscribe, one to each primary.
//!
//! ```text
//!   Subscriber ── SSUBSCRIBE ──▶ primary        asks, and checks each confirmation
//!
//!   primary ── messages, state ──▶ listener ──▶ PubSubEvent ──▶ handler (of the bus)
//!   slot table ── changes ───────▶
//! ```
//!
//! | what happens | event | what the handler has to do |
//! |---|---|---|
//! | a message arrives | `Message` | deliver it |
//! | a connection is lost | `Disconnected` | remember that its subscriptions are gone |
//! | it is back | `Connected` | subscribe again |
//! | slots get another primary | `Moved` | subscribe there |
//! | somebody empties a primary | `Emptied` | have done what it takes to store the keys again |
//! | a primary was a replica for a moment, or started again unnoticed | `Replaced` | subscribe again, and read what was missed elsewhere |
//! | messages came faster than they were read | `Lagged` | read what was missed elsewhere |
//!
//! Four decisions:
//!
//! - Only `SSUBSCRIBE` is used, on standalone servers, too. In a Cluster, its channel has a slot, the same as the scene
//!   of the same name. And it is the only subscribe whose confirmation the client lets us wait for.
//! - Each command has one channel. Many are sent at the same time, but in batches: Redis cuts a connection whose output
//!   buffer is full of confirmations.
//! - The client's own way of subscribing again after a reconnect is not used. It sends all channels in one command.
//! - A server that gives a slot away ends its subscriptions with a message that the client doesn't pass on. So the slot
//!   table, not that message, tells which channels to subscribe to again.
//!
//! See docs/decisions/004-sharded-pub-sub-in-every-layout.md.

pub(crate) mod event;
mod listener;
mod losses;
pub(crate) mod subscriber;
