//! What all HTTP routes use: problem+json, request bodies, client addresses.

pub(crate) mod ambiguous;
pub(crate) mod bad_request;
pub(crate) mod body;
pub(crate) mod client_address;
pub(crate) mod head_limit;
pub(crate) mod misplaced;
pub(crate) mod networks;
pub(crate) mod problem;

pub use bad_request::{BadRequest, BadRequests};
pub use body::read_body;
pub use client_address::{ClientAddress, ForwardedHttps, PeerAddress, TrustedProxies, with_client_address};
pub use head_limit::{MAX_HEAD_BYTES, MAX_HEADERS, refuse_large_heads};
pub use misplaced::{ListenerKind, MisplacedRequests, tell_of_misplaced};
pub use networks::{NetworkError, Networks};
pub use problem::{Problem, with_problems};
