//! The callback: talks to WeChat and to the site's backend.
//!
//! Each room stands on the rooms below it. No room imports one above it.
//!
//! | room | what is in it |
//! |---|---|
//! | `process` | the callback, built, bound and served; `main.rs` is the process around it |
//! | `reload` | accounts that change while the process runs |
//! | `inbound` | the messages that WeChat delivers, and one handler for each purpose |
//! | `mini_program` | the calls of a mini program's login page |
//! | `gateways` | the calls of gateways: open a scene with something to show, re-open, cancel |
//! | `site` | the API for the site's backend: redeem, users |
//! | `login` | what all ways to log in share |
//! | `accounts` | the accounts at work, and the API keys of the sites |
//! | [`config`] | the configuration |
//! | [`webhooks`] | what the site is told without asking |
//! | `people` | who people are, and how pages and sites see them |
//! | `wechat` | the client of WeChat's API |
//! | [`stores`] | what the pods share in Redis, beside the scenes |
//! | `phone` | what a phone is told, in whose words, and what people answer |
//! | `visible_text` | texts that strangers chose, as people see them |
//! | `problems`, `retry`, `request` | errors as HTTP problems; asking Redis again until a deadline; reading requests |
//! | `metrics`, `clock` | all metrics; the time of day |

// The futures of a request are nested deeper than the compiler's default limit.
#![recursion_limit = "256"]

mod accounts;
mod clock;
pub mod config;
mod gateways;
mod inbound;
mod login;
mod metrics;
mod mini_program;
mod people;
mod phone;
mod problems;
mod process;
mod reload;
mod request;
mod retry;
mod site;
pub mod stores;
mod visible_text;
pub mod webhooks;
mod wechat;

pub use clock::{Clock, next_china_day};
pub use config::{CallbackConfig, DeliveryPath};
pub use phone::{GeoDatabase, Phrase, TextError, Texts};
pub use process::{AccountReplacer, BoundCallback, CallbackServer};
pub use reload::ConfigReloader;
