//! Plain mode's hole: WeChat's signature doesn't cover the body, so whoever has seen one query
//! string could sign any message with it. One signature is good for one body.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Store, StoreError};
use crate::{scene::AccountName, wechat::Signed};

/// Longer than a signature's timestamp is accepted, on either side of our clock.
const REMEMBERED: Duration = Duration::from_secs(700);

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// This signature is new, or came with this same body before: a redelivery.
    Genuine,
    /// This signature came with another body.
    Forged,
}

/// Remembers which body each signature came with. Clones are the same one.
#[derive(Debug, Clone)]
pub struct ReplayGuard(Store);

impl ReplayGuard {
    /// In this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Whether this body may come with this signature, which has to be a valid one.
    pub async fn check(&self, account: &AccountName, signed: Signed<'_>, body: &[u8]) -> Result<Replay, StoreError> {
        let name = format!("replay:{account}:{}:{}:{}", signed.signature, signed.timestamp, signed.nonce);
        let digest = hex::encode(&Sha256::digest(body)[..16]);
        match self.0.claim(&name, &digest, REMEMBERED).await? {
            Some(_) => Ok(Replay::Forged),
            None => Ok(Replay::Genuine),
        }
    }
}
