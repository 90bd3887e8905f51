//! Accepting, answering and leaving, alike for every binary.

mod admin;
mod admission;
mod ambiguous;
mod body;
mod client;
mod connection;
mod crowded;
mod head;
mod listener;
mod networks;
mod prefix;
mod problem;
mod rates;
mod seats;
mod shutdown;

pub use admin::serve_admin;
pub use admission::{Admission, Admits, admit_clients};
pub use body::read_body;
pub use client::{ByHttps, ClientAddress, Peer, TrustedProxies, with_client_address};
pub use connection::Connection;
pub use crowded::{Crowded, TurnedAway, Why, turn_away};
pub use listener::{CannotListen, Limits, Listener, Unanswered};
pub use networks::Networks;
pub use problem::{Problem, with_problems};
pub use rates::{Rate, RateByAddress};
pub use seats::Seat;
pub use shutdown::{Shutdown, Stay};
