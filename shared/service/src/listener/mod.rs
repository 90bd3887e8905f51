//! Accepts connections and serves HTTP on them.

pub(crate) mod accept;
pub(crate) mod admin;
pub(crate) mod connection;
pub(crate) mod head_timer;
mod spare_descriptors;

pub use accept::{ListenError, Listener, ListenerLimits, NoAnswer};
pub use admin::serve_admin;
pub use connection::Connection;
