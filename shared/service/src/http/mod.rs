//! What all HTTP routes use: problem+json, request bodies, client addresses.

pub(crate) mod ambiguous;
pub(crate) mod body;
pub(crate) mod client_address;
pub(crate) mod networks;
pub(crate) mod problem;

pub use body::read_body;
pub use client_address::{ClientAddress, ForwardedHttps, PeerAddress, TrustedProxies, with_client_address};
pub use networks::{NetworkError, Networks};
pub use problem::{Problem, with_problems};
