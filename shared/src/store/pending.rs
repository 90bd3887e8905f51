//! Which scene somebody scanned and has yet to answer for.

use std::time::Duration;

use super::{Store, StoreError};
use crate::scene::{AccountName, OpenId, SceneId};

/// What people have yet to answer: one scene each. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Pending(Store);

impl Pending {
    /// In this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// From now on this person is asked about this scene, for so long; an earlier one is forgotten.
    pub async fn put(
        &self,
        account: &AccountName,
        openid: &OpenId,
        scene: SceneId,
        life: Duration,
    ) -> Result<(), StoreError> {
        self.0.put(&pending(account, openid), scene.to_string(), life).await
    }

    /// The scene that this person is asked about.
    pub async fn get(&self, account: &AccountName, openid: &OpenId) -> Result<Option<SceneId>, StoreError> {
        let scene = self.0.get(&pending(account, openid)).await?;
        Ok(scene.and_then(|scene| scene.parse().ok()))
    }

    /// This scene is answered for; a later one that the person is asked about stays.
    pub async fn clear(&self, account: &AccountName, openid: &OpenId, scene: SceneId) -> Result<(), StoreError> {
        self.0.release(&pending(account, openid), &scene.to_string()).await
    }
}

fn pending(account: &AccountName, openid: &OpenId) -> String {
    format!("pending:{account}:{openid}")
}
