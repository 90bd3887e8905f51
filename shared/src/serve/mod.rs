//! Accepting, answering and leaving, alike for every binary.

mod admin;
mod body;
mod client;
mod listener;
mod networks;
mod problem;
mod shutdown;

pub use admin::serve_admin;
pub use body::read_body;
pub use client::{ByHttps, ClientAddress, Peer, TrustedProxies, with_client_address};
pub use listener::{CannotListen, Connection, Crowded, Limits, Listener, Unanswered};
pub use networks::Networks;
pub use problem::{Problem, crowded, turn_away, with_problems};
pub use shutdown::{Shutdown, Stay};
