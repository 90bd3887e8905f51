//! The client of WeChat's API.
//!
//! ```text
//! official_account_api, mini_program_api ──▶ account_calls ──▶ access_token ──▶ circuit ──▶ client ──▶ WeChat
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `official_account_api`, `mini_program_api` | our calls for an Official Account, and for a mini program |
//! | `account_calls` | one account's calls: with an access token, within a time, and only while WeChat takes them |
//! | `access_token` | the access token: one refresh at a time, for all pods |
//! | `token_state` | the access token of this process, and the one that WeChat has refused |
//! | `circuit` | calls that are not made for a while, because WeChat's refusal will last, or it gives no answers |
//! | `pause` | why a call is not made for a while, and for how long after WeChat gave no answer |
//! | `client` | one call: sent, limited in time and size, counted, its answer read |
//! | `addresses` | the addresses from which WeChat delivers |

mod access_token;
mod account_calls;
mod addresses;
mod circuit;
mod client;
mod mini_program_api;
mod official_account_api;
mod pause;
mod token_state;

pub(crate) use access_token::{AccessTokenSource, Credentials};
pub(crate) use account_calls::{AccountCalls, call_deadline};
pub(crate) use addresses::{AddressOrigin, WechatAddresses};
pub(crate) use circuit::Circuit;
pub(crate) use client::{CallError, WechatClient};
pub use mini_program_api::EnvVersion;
pub(crate) use mini_program_api::MiniProgramApi;
pub(crate) use official_account_api::{OfficialAccountApi, QR_CODE};
pub(crate) use pause::PauseReason;
