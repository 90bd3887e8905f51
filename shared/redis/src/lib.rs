//! The one way to Redis, whatever its layout. This is the only crate that uses the client library (fred).
//!
//! All layouts look the same from outside. A slot table says which primary owns which of 16,384 slots, as in a Redis
//! Cluster; a single server simply owns all of them. Each server has clients of its own, which know of no other server,
//! so this crate decides where each command goes.
//!
//! | module | what it is for |
//! |---|---|
//! | `address`, `tls` | where Redis is, and which certificates are trusted |
//! | `address_text`, `address_error` | reads `bus.url`, and says which part of it is wrong |
//! | `topology` | the slot table, and how it is kept up to date |
//! | `connection` | one connection to each server, which always comes back |
//! | `command` | a command as plain data, and how it is sent to one server |
//! | `routing` | sends commands to the owner of their key's slot, and follows redirects |
//! | `client` | [`Redis`]: the commands that the bus and the stores use |
//! | `values` | values under keys |
//! | `streams` | a stream as a queue that several pods take entries from |
//! | `subscriptions` | pub/sub, and events that say when messages may have been lost |
//! | `replication` | waits until replicas have a write |
//! | `inspection` | warns about configurations and clocks that can lose scenes, and about missing rights |
//! | `error`, `reply`, `role`, `history` | why a command failed; what Redis answered; what it says of its role and of what it copies |
//!
//! ```text
//!  values, streams ┬─▶ client ─▶ replication ─▶ routing ─▶ topology ─┬─▶ connection ─┬─▶ fred ─▶ Redis
//!  subscriptions ──┘                                                 └─▶ command ────┘
//! ```

mod address;
mod address_error;
mod address_text;
mod client;
mod command;
mod connection;
mod error;
mod history;
mod inspection;
mod replication;
mod reply;
mod role;
mod routing;
mod streams;
mod subscriptions;
mod tls;
mod topology;
mod values;

pub use address::RedisAddress;
pub use address_error::RedisAddressError;
pub use client::{CLIENT_LOG_FILTER, Redis, Script};
pub use error::{RedisError, RedisErrorKind};
pub use inspection::losses::KeptSince;
pub use replication::WritePosition;
pub use reply::{Node, Reply};
pub use streams::{PendingEntry, StreamEntry};
pub use subscriptions::{event::PubSubEvent, subscriber::Subscriber};
pub use topology::{
    acks::MinReplicas,
    slots::{Slot, Slots},
};
