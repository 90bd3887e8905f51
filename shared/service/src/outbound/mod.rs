//! Requests of our own to other servers: callbacks, WeChat, sites, collectors of traces.
//!
//! No proxy of the environment (`HTTP_PROXY` and its like) is used, and names are looked up beside the limits of
//! connections.
//!
//! See docs/decisions/068-a-proxy-for-our-own-requests-is-a-setting.md and
//! docs/decisions/069-names-are-looked-up-beside-connections.md.

mod client;
mod error;
mod proxy;

pub use client::OutboundClient;
pub(crate) use client::{blocking_client, check_certificates};
pub use error::TransportError;
pub use proxy::{ProxyUrl, tell_of_unused_proxies};
pub use scenecast_names::NameResolver;
