//! WeChat's wire formats: pure functions on bytes.
//!
//! Facts are from WeChat's own documents (developers.weixin.qq.com, "Message push",
//! "Message encryption and decryption" and "Passive user reply message") unless a comment says otherwise.

mod api;
mod crypto;
mod message;
mod picture;
mod reply;
mod sealed;
mod signature;
mod xml;

pub use api::{ApiError, CallbackIps, Code, QrCode, Session, Token, UserInfo, parse_answer};
pub use crypto::{AesKey, BadAesKey, Undecryptable};
pub use message::{BadMessage, Kind, Message};
pub use picture::Picture;
pub use reply::{ACKNOWLEDGED, text_reply};
pub use sealed::{Seal, Sealed};
pub use signature::{BadSignature, Signed, sign};
