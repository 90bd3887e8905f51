//! The other two parties of a login, as programs.
//!
//! | module | what it is for |
//! |---|---|
//! | [`simulator`] | WeChat: its API, its webhooks, the phones |
//! | [`browser`] | login pages' connections |
//! | [`receiver`] | a site's server for webhooks |
//! | [`cluster`] | gateways and callbacks as processes around a real Redis |

pub mod browser;
pub mod cluster;
pub mod receiver;
pub mod simulator;

use std::net::SocketAddr;

use url::Url;

/// What is served at this address, by HTTP.
pub fn http(address: SocketAddr) -> Url {
    Url::parse(&format!("http://{address}")).expect("an address makes a URL")
}
