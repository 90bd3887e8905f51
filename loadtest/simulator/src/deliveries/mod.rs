//! Deliveries: the messages that WeChat posts to an account's callback.
//!
//! ```text
//! message ──▶ signed request ──▶ callback ──▶ answer ──▶ what the phone shows
//!                  ▲                             │
//!                  └── no answer: up to 3 attempts
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `sender` | one delivery in up to three attempts, and the verification of a callback's address |
//! | `sealed` | a delivery that somebody else posts |
//! | `mark_fail` | when WeChat stops pushing to an account |
//! | `attempt` | what a sender reports: attempts, and their outcome |
//! | `message` | the XML of a message |
//! | `request` | the signature and the encryption around it |
//! | `answer` | what the phone shows for a callback's answer |
//! | `menu_links` | the links in a reply that send something to the account |

mod answer;
mod attempt;
mod mark_fail;
mod menu_links;
mod message;
mod request;
mod sealed;
mod sender;

pub use answer::{AnswerError, PhoneScreen};
pub use attempt::{CallbackAnswer, DeliveryAttempt, DeliveryOutcome, VerifyUrlError};
pub use menu_links::{MenuLink, menu_links};
pub(crate) use menu_links::{TextPart, text_parts};
pub(crate) use message::{DeliveryMessage, MessageContent};
pub use sealed::SealedDelivery;
pub(crate) use sender::DeliverySender;
