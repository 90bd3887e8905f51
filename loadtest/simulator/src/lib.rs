//! A strict stand-in for WeChat: its API, the messages that it delivers to callbacks, and the phones of its users.
//!
//! A product that passes here works in production: the rules follow WeChat's documents and what was observed of the
//! real WeChat. Where both leave something open, the simulator is the stricter one.
//!
//! | room | what is in it |
//! |---|---|
//! | `config`, `process`, `router` | the simulator as a process, and its HTTP routes |
//! | `api` | `api.weixin.qq.com`, as callback pods call it |
//! | `phone` | the phone as a web page, in English and Chinese |
//! | `control` | `/sim/…`: faults and counts over HTTP |
//! | `actions` | what users do with their phones: scan, write, tap, unfollow, open a mini program |
//! | `simulator` | [`Simulator`]: the state, and the switches that tests and drills use |
//! | `deliveries` | the messages that WeChat posts to a callback, and how it judges the answers |
//! | `faults` | everything that can go wrong |
//! | `accounts` | one simulated account: its settings, and its state |
//! | `rules` | the rules of WeChat's API; no I/O |
//! | `users` | the people with phones, and what an account knows of them |
//! | `api_calls` | the log of API calls |
//! | `encryption` | message encryption, independent of the product's own code |
//!
//! Imports point downwards in this table.

mod accounts;
mod actions;
mod api;
mod api_calls;
mod config;
mod control;
mod deliveries;
mod encryption;
mod faults;
mod phone;
mod process;
mod router;
mod rules;
mod simulator;
mod users;

use std::net::SocketAddr;

use scenecast_service::process::from_this_machine;
use url::Url;

pub use accounts::{AccountKind, AccountQuota, EncryptionMode, Rights, SimulatedAccount};
pub use actions::{HeldDelivery, MiniProgramLaunch};
pub use api::{read_code, read_drawn};
pub use api_calls::{ApiCallCounts, LoggedCall, TokenUse};
pub use config::{SimulatorConfig, SimulatorListeners};
pub use deliveries::{
    AnswerError, CallbackAnswer, DeliveryAttempt, DeliveryOutcome, MenuLink, PhoneScreen, SealedDelivery,
    VerifyUrlError, menu_links,
};
pub use encryption::{CiphertextError, EncodingAesKey, EncodingAesKeyError};
pub use faults::{CallFailure, CallFault, Faults, MarkFail, OddTexts};
pub use process::serve;
pub use simulator::Simulator;
pub use users::{ActionError, PhoneAction, WeChatUser};

/// The `http://` URL at which a server that listens on this address is reached from its own machine.
pub fn http(address: SocketAddr) -> Url {
    Url::parse(&format!("http://{}", from_this_machine(address))).expect("an address makes a URL")
}
