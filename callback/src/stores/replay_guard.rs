//! Closes a gap of plain mode: WeChat's signature doesn't cover the body there, so an attacker who has seen one query
//! string could send any message with it. The guard accepts each signature with one content only.
//!
//! It can't tell of a signature that is older than what it remembers: Redis may have lost with what it came.
//!
//! See docs/decisions/047-a-signature-is-good-for-one-content.md and
//! docs/decisions/058-a-signature-older-than-a-loss-is-undecided.md.

use std::time::{Duration, UNIX_EPOCH};

use scenecast_bus::{KeptSince, Store, StoreError};
use sha2::{Digest, Sha256};

/// Longer than a signature's timestamp is accepted, before and after our own time.
const SIGNATURE_LIFE: Duration = Duration::from_secs(700);
/// WeChat delivers a message again for so long. What was signed shortly before this pod began may be meant for a pod that
/// has just ended.
const REDELIVERED_FOR: Duration = Duration::from_secs(10);

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
    /// This signature may have come with other content before: it is older than a loss of what was remembered. That
    /// doesn't change while it is accepted.
    Forgotten,
}

/// Remembers with which content each signature came. Clones share what is remembered.
#[derive(Debug, Clone)]
pub struct ReplayGuard(Store);

impl ReplayGuard {
    /// A guard over this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// From now on learns within a second when Redis loses what was remembered. Call it once, when signatures begin to be
    /// claimed.
    pub fn date_losses(&self) {
        self.0.date_losses();
    }

    /// Uses up a signature for this content, and checks whether it came with another one before. The caller has verified
    /// the signature, which was made at this time, in unix seconds by our clock. It stands for all that it covers, in
    /// whichever account, order and spelling it came.
    pub async fn claim(
        &self,
        signature: &str,
        signed_at: u64,
        content: SignedContent<'_>,
    ) -> Result<ReplayVerdict, StoreError> {
        let key = format!("replay:{signature}");
        let (other, kept_since) = self.0.put_once(&key, &digest(content), SIGNATURE_LIFE).await?;
        Ok(match other {
            Some(_) => ReplayVerdict::Forged,
            // Also if it is stored with this content: that may be what an attacker sent since the loss.
            None if may_be_forgotten(signed_at, kept_since) => ReplayVerdict::Forgotten,
            None => ReplayVerdict::Genuine,
        })
    }
}

/// Whether a signature of this second can have been used before what was remembered got lost.
fn may_be_forgotten(signed_at: u64, kept_since: KeptSince) -> bool {
    let signed_at = Duration::from_secs(signed_at);
    match kept_since {
        KeptSince::Loss(until) => UNIX_EPOCH.checked_add(signed_at).is_some_and(|signed_at| signed_at <= until),
        KeptSince::Beginning(began) => {
            UNIX_EPOCH.checked_add(signed_at.saturating_add(REDELIVERED_FOR)).is_some_and(|by| by < began)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signature_that_is_later_than_a_loss_was_not_used_before_it() {
        let at = |secs: u64, ms: u64| UNIX_EPOCH + Duration::from_secs(secs) + Duration::from_millis(ms);
        let now = 1_800_000_000;
        for (signed_at, kept_since, is_forgotten) in [
            (now - 300, KeptSince::Loss(at(now, 0)), true),
            // A timestamp has no fractions.
            (now, KeptSince::Loss(at(now, 0)), true),
            (now, KeptSince::Loss(at(now, 999)), true),
            (now + 1, KeptSince::Loss(at(now, 999)), false),
            (now, KeptSince::Loss(at(now - 1, 999)), false),
            // WeChat delivers again what a pod that has ended didn't answer.
            (now, KeptSince::Beginning(at(now + 10, 0)), false),
            (now, KeptSince::Beginning(at(now + 10, 1)), true),
            (now + 300, KeptSince::Beginning(at(now, 0)), false),
            (u64::MAX, KeptSince::Loss(at(now, 0)), false),
            (u64::MAX, KeptSince::Beginning(at(now, 0)), false),
            (0, KeptSince::Beginning(at(now, 0)), true),
        ] {
            assert_eq!(may_be_forgotten(signed_at, kept_since), is_forgotten, "{signed_at} {kept_since:?}");
        }
    }
}
