//! `/wechat/{account}`: the messages that WeChat delivers. Each is checked, acted upon, and answered when its result is
//! stored, and only then.
//!
//! WeChat waits five seconds for an answer, and delivers a message three times, about five seconds apart. While Redis
//! doesn't say whether a login was stored, WeChat gets no answer and delivers again. The delivery's id makes that
//! harmless. The last attempt asks the person to do it again.
//!
//! ```text
//! routes ──▶ receive: source, signature, decryption, rate ──▶ purpose ──▶ lookup ──▶ handlers ──▶ reply
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `routes`, `state` | the routes, what they need, and when WeChat gets no answer |
//! | `receive` | one delivery from its request to its answer, the cheapest check first |
//! | `arrival` | when a request arrived, and how long there is to decide |
//! | `wechat_clock` | how far WeChat's clock is ahead of ours |
//! | `envelope` | a message out of a request, and a reply into an answer |
//! | `purpose` | what a message is for |
//! | `delivery` | one message, with what handlers need to act upon it |
//! | `lookup` | what Redis is asked for a message, and so when WeChat gets no answer while Redis is away |
//! | `handlers` | one handler for each purpose |
//! | `hint` | what an operator is told about a refused request |
//!
//! How to tell the site about another event: see CONTRIBUTING.md.

mod arrival;
mod delivery;
mod envelope;
mod handlers;
mod hint;
mod lookup;
mod purpose;
mod receive;
mod routes;
mod state;
mod wechat_clock;

pub(crate) use delivery::DeliveryServices;
pub(crate) use routes::router;
pub(crate) use state::InboundState;
pub(crate) use wechat_clock::WechatClock;
