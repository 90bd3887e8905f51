//! WeChat's wire formats: pure functions on bytes.
//!
//! Facts are from WeChat's own documents (developers.weixin.qq.com, "Message push" and
//! "Passive user reply message") unless a comment says otherwise.

mod api;
mod message;
mod picture;
mod reply;
mod signature;

pub use api::{ApiError, Code, QrCode, Session, Token, UserInfo, parse_answer};
pub use message::{BadMessage, Kind, Message};
pub use picture::Picture;
pub use reply::{ACKNOWLEDGED, text_reply};
pub use signature::{BadSignature, Signed, sign};
