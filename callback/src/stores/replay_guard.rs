//! Closes a gap of plain mode: WeChat's signature doesn't cover the body there, so an attacker who has seen one query
//! string could send any message with it. The guard accepts each signature with one content only.
//!
//! See docs/decisions/047-a-signature-is-good-for-one-content.md.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use sha2::{Digest, Sha256};

/// Longer than a signature's timestamp is accepted, before and after our own time.
const SIGNATURE_LIFE: Duration = Duration::from_secs(700);

/// What came with a signature that doesn't cover it.
#[derive(Debug, Clone, Copy)]
pub enum SignedContent<'a> {
    /// The body of a delivery.
    Body(&'a [u8]),
    /// A body that was too long to be read.
    TooLong,
    /// The `echostr` of a verification of the account's address.
    Echo(&'a str),
}

/// What the guard found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayVerdict {
    /// This signature is new, or it came with this same content before: WeChat delivers the message again.
    Genuine,
    /// This signature came with other content before.
    Forged,
}

/// Remembers with which content each signature came. Clones share what is remembered.
#[derive(Debug, Clone)]
pub struct ReplayGuard(Store);

impl ReplayGuard {
    /// A guard over this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Uses up a signature for this content, and checks whether it came with another one before. The caller has verified
    /// the signature. It stands for all that it covers, in whichever account, order and spelling it came.
    pub async fn claim(&self, signature: &str, content: SignedContent<'_>) -> Result<ReplayVerdict, StoreError> {
        let key = format!("replay:{signature}");
        match self.0.put_if_absent(&key, &digest(content), SIGNATURE_LIFE).await? {
            Some(_) => Ok(ReplayVerdict::Forged),
            None => Ok(ReplayVerdict::Genuine),
        }
    }
}

fn digest(content: SignedContent<'_>) -> String {
    let (kind, bytes): (&[u8], &[u8]) = match content {
        SignedContent::Body(body) => (b"body\n", body),
        SignedContent::TooLong => (b"too long\n", b""),
        SignedContent::Echo(echo) => (b"echo\n", echo.as_bytes()),
    };
    hex::encode(&Sha256::new().chain_update(kind).chain_update(bytes).finalize()[..16])
}
