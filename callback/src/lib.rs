//! Talks to WeChat and to the site's backend.
//!
//! | module | what it is for |
//! |---|---|
//! | [`Config`] | what it is told |
//! | [`Callback`] | built, bound, served; `main.rs` is the process around it |
//! | `webhook` | what WeChat sends: verification, scans, follows; and what phones are told |
//! | `miniapp` | what mini programs send: scans, and what the person says to them |
//! | `internal` | what gateways ask: open a scene, re-open, cancel |
//! | `handle` | what a page shows: a QR code, a mini program's code, or one to be typed |
//! | `redeem` | what the site's backend asks: redeem |
//! | `wechat` | what we ask of WeChat: access token, codes, people |
//! | `phrase`, `profile` | what phones are told, and how people are shown on pages |
//! | `accounts` | the accounts at work |
//! | `api_keys` | who may redeem for which accounts |
//! | `app`, `request`, `counts`, `clock` | what handlers share: accounts and bus, reading within limits, metrics, the time of day |

mod accounts;
mod api_keys;
mod app;
mod clock;
pub mod config;
mod counts;
mod handle;
mod internal;
mod miniapp;
mod phrase;
mod process;
mod profile;
mod redeem;
mod request;
mod webhook;
mod wechat;

pub use clock::Clock;
pub use config::{Config, Settings};
pub use phrase::Phrase;
pub use process::{Bound, Callback};
