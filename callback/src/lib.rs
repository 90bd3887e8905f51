//! Talks to WeChat and to the site's backend.
//!
//! | module | what it is for |
//! |---|---|
//! | [`Config`] | what it is told |
//! | [`Callback`] | built, bound, served; `main.rs` is the process around it |
//! | `webhook` | what WeChat sends: verification, scans, follows; and what phones are told |
//! | `internal` | what gateways ask: open a scene with its QR code, re-open, cancel |
//! | `redeem` | what the site's backend asks: redeem |
//! | [`site`] | what else it asks, and what it is told: users, webhooks |
//! | `wechat` | what we ask of WeChat: access token, QR codes, users |
//! | [`Phrase`], [`Texts`], `template`, `menu` | what phones are told, in whose words; what they answer |
//! | [`geo`] | where in the world an address is |
//! | `accounts` | the accounts at work |
//! | `api_keys` | who may redeem for which accounts |
//! | `app`, `request`, `counts` | what handlers share: accounts and bus, reading within limits, metrics |

mod accounts;
mod api_keys;
mod app;
pub mod config;
mod counts;
pub mod geo;
mod internal;
mod menu;
mod phrase;
mod process;
mod redeem;
mod request;
pub mod site;
mod template;
mod texts;
mod webhook;
mod wechat;

pub use config::{Config, Settings};
pub use phrase::Phrase;
pub use process::{Bound, Callback};
pub use texts::{BadText, Texts};
pub use webhook::WebhookPath;
