//! Talks to WeChat and to the site's backend.
//!
//! | module | what it is for |
//! |---|---|
//! | [`Config`] | what it is told |
//! | [`Callback`] | built, bound, served; `main.rs` is the process around it |
//! | [`reload`] | accounts that come and go while it serves |
//! | `webhook` | what WeChat sends: verification, scans, follows; and what phones are told |
//! | `miniapp` | what mini programs send: scans, and what the person says to them |
//! | `internal` | what gateways ask: open a scene, re-open, cancel |
//! | `handle`, `shortage` | what a page shows: a QR code, a mini program's code, or one to be typed; and why not a QR code |
//! | `redeem` | what the site's backend asks: redeem |
//! | `users` | what else it asks: who somebody is; and says: that it has them |
//! | [`site`] | what it is told without asking: webhooks |
//! | `wechat` | what we ask of WeChat: access token, codes, people |
//! | [`Phrase`], [`Texts`], `template`, `menu` | what phones are told, in whose words; what they answer |
//! | `people`, `profile` | who people are, and how they are shown |
//! | [`geo`] | where in the world an address is |
//! | `login` | what webhooks and mini programs have in common of a login |
//! | `accounts` | the accounts at work |
//! | `api_keys` | who may redeem for which accounts |
//! | `app`, `request`, `counts`, `clock` | what handlers share: accounts and bus, reading within limits, metrics, the time of day |

mod accounts;
mod api_keys;
mod app;
mod clock;
pub mod config;
mod counts;
pub mod geo;
mod handle;
mod internal;
mod login;
mod menu;
mod miniapp;
mod people;
mod phrase;
mod process;
mod profile;
mod redeem;
pub mod reload;
mod request;
mod shortage;
pub mod site;
mod template;
mod texts;
mod users;
mod webhook;
mod wechat;

pub use clock::Clock;
pub use config::{Config, Settings, WebhookPath};
pub use phrase::Phrase;
pub use process::{Bound, Callback, Replacing};
pub use texts::{BadText, Texts};
