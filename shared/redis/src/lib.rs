//! The one way to Redis, whatever the layout. This is the only crate that names the client library.
//!
//! One table says which primary owns which of 16,384 slots. Each primary has clients of its own, which know of
//! no other node.
//!
//! | module | what it is for |
//! |---|---|
//! | `address`, `tls` | where Redis is, and which certificates are trusted |
//! | `topology` | the slot table: as plain data, what Cluster nodes and sentinels say about it, and its refresher |
//! | `connection` | connections that always come back, one for each node, and their health |
//! | `commands` | commands as data, routed to the owner of a key's slot, redirected where it moves |
//! | `client` | [`Redis`]: what bus and stores call |
//! | `streams` | a queue that several pods take entries from |
//! | `subscriptions` | pub/sub, and what may have been lost of it |
//! | `replication` | waits until replicas have what was written |
//! | `startup_check` | warns of a Redis that is configured to lose scenes |
//! | `error`, `reply` | why a command failed; what Redis answered |

mod address;
mod client;
mod commands;
mod connection;
mod error;
mod replication;
mod reply;
mod startup_check;
mod streams;
mod subscriptions;
mod tls;
mod topology;

pub use address::RedisAddress;
pub use client::{CLIENT_LOGS, Redis, Script};
pub use error::{RedisError, RedisErrorKind};
pub use replication::WritePosition;
pub use reply::{Node, Reply};
pub use streams::{PendingEntry, StreamEntry};
pub use subscriptions::{PubSubEvent, Subscriber};
pub use topology::slots::{Slot, Slots};
