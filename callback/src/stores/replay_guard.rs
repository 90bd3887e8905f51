//! Closes a gap of plain mode: WeChat's signature doesn't cover the body there, so an attacker who has seen one query
//! string could send any message with it. The guard accepts each signature with one body only.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use scenecast_scene::AccountName;
use scenecast_wechat::SignedQuery;
use sha2::{Digest, Sha256};

/// Longer than a signature's timestamp is accepted, before and after our own time.
const SIGNATURE_LIFE: Duration = Duration::from_secs(700);

/// What the guard found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayVerdict {
    /// This signature is new, or it came with this same body before: WeChat delivers the message again.
    Genuine,
    /// This signature came with another body before.
    Forged,
}

/// Remembers with which body each signature came. Clones share what is remembered.
#[derive(Debug, Clone)]
pub struct ReplayGuard(Store);

impl ReplayGuard {
    /// A guard over this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Checks whether this body may come with this signature. The caller has verified the signature.
    pub async fn check(
        &self,
        account: &AccountName,
        signed: SignedQuery<'_>,
        body: &[u8],
    ) -> Result<ReplayVerdict, StoreError> {
        let key = format!("replay:{account}:{}:{}:{}", signed.signature, signed.timestamp, signed.nonce);
        let digest = hex::encode(&Sha256::digest(body)[..16]);
        match self.0.put_if_absent(&key, &digest, SIGNATURE_LIFE).await? {
            Some(_) => Ok(ReplayVerdict::Forged),
            None => Ok(ReplayVerdict::Genuine),
        }
    }
}
