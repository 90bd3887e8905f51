//! WeChat's wire formats, as functions on bytes without I/O.
//!
//! Facts are from WeChat's own documents (developers.weixin.qq.com, "Message push",
//! "Message encryption and decryption" and "Passive user reply message") unless a comment says otherwise.
//!
//! | module | what it is for |
//! |---|---|
//! | `signature` | the SHA-1 signature of WeChat's requests |
//! | `crypto`, `encryption` | AES as WeChat uses it; encrypted messages and replies |
//! | `xml`, `message`, `reply` | the XML documents that WeChat posts, and the replies to them |
//! | `probe` | how WeChat's Cloud Hosting checks a container |
//! | `api`, `code_image` | the answers of WeChat's API |
//!
//! It knows `scenecast-scene` for the types that keep secrets and people out of logs, and no other crate of ours.
//! See docs/decisions/031-crates-instead-of-modules.md.

mod api;
mod code_image;
mod crypto;
mod encryption;
mod error;
mod message;
mod probe;
mod reply;
mod signature;
mod xml;

pub use api::{
    AccessToken, ApiError, CallbackIps, ErrorCode, JsCodeSession, QrCode, UserInfo, parse_answer, read_unionid,
};
pub use code_image::CodeImage;
pub use crypto::{AesKey, AesKeyError, DecryptError};
pub use encryption::{EncryptedMessage, ReplyEncryption};
pub use error::MessageError;
pub use message::{Message, MessageKind};
pub use probe::is_container_probe;
pub use reply::{ACKNOWLEDGED, text_reply};
pub use signature::{SignatureError, SignedQuery, VerifiedSignature, sign};
