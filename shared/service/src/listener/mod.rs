//! Accepts connections and serves HTTP on them.

pub(crate) mod accept;
pub(crate) mod admin;
mod bind;
pub(crate) mod connection;
mod detached;
mod first_bytes;
pub(crate) mod head_timer;
mod large_heads;
mod probes;
mod response_head;
mod serve;
mod spare_descriptors;

pub use accept::{ListenError, Listener, ListenerLimits};
pub use admin::serve_admin;
pub use connection::Connection;
pub use detached::Detachable;
pub use probes::probes;
pub use serve::NoAnswer;
