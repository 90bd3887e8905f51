//! The other two parties of a login, as programs.
//!
//! | module | what it is for |
//! |---|---|
//! | [`simulator`] | WeChat: its API, its webhooks, the phones |
//! | [`browser`] | login pages' connections |
//! | [`visitor`] | a browser with cookies, for pages that were written for other servers |
//! | `chromium` | a real browser (feature `chromium`) |
//! | [`receiver`] | a site's server for webhooks |
//! | [`cluster`] | gateways and callbacks as processes around a real Redis |
//! | [`crowd`] | thousands of browsers and phones, and the site's backend |
//! | [`drill`] | logins go on while something breaks |
//! | [`hostile`] | peers that mean no good |
//! | [`ledger`] | what phones were promised, and what came of it |

pub mod browser;
#[cfg(feature = "chromium")]
pub mod chromium;
pub mod cluster;
pub mod crowd;
pub mod drill;
pub mod hostile;
pub mod ledger;
pub mod receiver;
pub mod simulator;
pub mod visitor;

use std::net::SocketAddr;

use url::Url;

/// What is served at this address, by HTTP.
pub fn http(address: SocketAddr) -> Url {
    Url::parse(&format!("http://{address}")).expect("an address makes a URL")
}
