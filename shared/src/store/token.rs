//! Access tokens, shared by all pods so that one refreshes and the others don't.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError};

/// How long a refresh may take before another pod tries.
const LEASE: Duration = Duration::from_secs(10);

/// An access token as the pods share it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    /// The token.
    pub token: String,
    /// When it ends, in unix milliseconds.
    pub expires_at: u64,
}

/// The right to refresh one app's token, until given back or ten seconds have passed.
#[derive(Debug)]
pub struct Lease(String);

/// The access tokens, by app id: what a deployment calls an account may change its meaning. Clones are the same
/// one.
#[derive(Debug, Clone)]
pub struct TokenStore(Store);

impl TokenStore {
    /// In this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// The app's token, if there is one that hasn't ended.
    pub async fn get(&self, app_id: &str) -> Result<Option<StoredToken>, StoreError> {
        let stored = self.0.get(&token(app_id)).await?;
        Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()))
    }

    /// Shares a token for `life`.
    pub async fn put(&self, app_id: &str, stored: &StoredToken, life: Duration) -> Result<(), StoreError> {
        let text = serde_json::to_string(stored).expect("a token has string keys only");
        self.0.put(&token(app_id), text, life).await
    }

    /// The right to refresh; `None` while another pod has it.
    pub async fn lease(&self, app_id: &str) -> Result<Option<Lease>, StoreError> {
        let mine = hex::encode(rand::random::<[u8; 16]>());
        let other = self.0.claim(&lease(app_id), &mine, LEASE).await?;
        Ok(other.is_none().then_some(Lease(mine)))
    }

    /// Gives the right back.
    pub async fn release(&self, app_id: &str, mine: Lease) -> Result<(), StoreError> {
        self.0.release(&lease(app_id), &mine.0).await
    }
}

fn token(app_id: &str) -> String {
    format!("token:{app_id}")
}

fn lease(app_id: &str) -> String {
    format!("token-lease:{app_id}")
}
