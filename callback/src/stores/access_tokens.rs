//! Access tokens, shared by all pods, so that one pod refreshes a token and the others wait for it.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use serde::{Deserialize, Serialize};

/// How long one pod may take for a refresh before another pod tries.
const LEASE: Duration = Duration::from_secs(10);

/// An access token as the pods share it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    /// The token itself, which is a secret.
    pub token: String,
    /// When it ends, in unix milliseconds.
    pub expires_at: u64,
}

/// The right to refresh one app's token. It ends when it is given back, or after ten seconds.
#[derive(Debug)]
pub struct RefreshLease(String);

/// The access tokens by app id. The app id is the key, because an operator may give an account's name to another app.
/// Clones share the tokens.
#[derive(Debug, Clone)]
pub struct TokenStore(Store);

impl TokenStore {
    /// The tokens in this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// The app's token, if there is one that hasn't ended.
    pub async fn get(&self, app_id: &str) -> Result<Option<StoredToken>, StoreError> {
        let stored = self.0.get(&token_key(app_id)).await?;
        Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()))
    }

    /// Shares a token for `life`.
    pub async fn put(&self, app_id: &str, stored: &StoredToken, life: Duration) -> Result<(), StoreError> {
        let text = serde_json::to_string(stored).expect("a token has string keys only");
        self.0.put(&token_key(app_id), text, life).await
    }

    /// Takes the right to refresh; `None` while another pod has it.
    pub async fn lease(&self, app_id: &str) -> Result<Option<RefreshLease>, StoreError> {
        let mine = hex::encode(rand::random::<[u8; 16]>());
        let other = self.0.put_if_absent(&lease_key(app_id), &mine, LEASE).await?;
        Ok(other.is_none().then_some(RefreshLease(mine)))
    }

    /// Gives the right back.
    pub async fn release(&self, app_id: &str, lease: RefreshLease) -> Result<(), StoreError> {
        self.0.release(&lease_key(app_id), &lease.0).await
    }
}

fn token_key(app_id: &str) -> String {
    format!("token:{app_id}")
}

fn lease_key(app_id: &str) -> String {
    format!("token-lease:{app_id}")
}
