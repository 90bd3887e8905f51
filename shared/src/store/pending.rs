//! Which scene somebody is asked about, for those who type their answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::scene::{AccountName, OpenId, SceneId};

/// What somebody is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The scene.
    pub scene: SceneId,
    /// Whether they typed its code.
    pub typed: bool,
    /// The `CreateTime` of the message that brought it, in unix seconds: no answer is older.
    pub since: u64,
}

/// What people are asked about: one scene each. It stays when they have answered, so that an answer
/// that is delivered again is one still. Clones are the same one.
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
        asked: Asked,
        life: Duration,
    ) -> Result<(), StoreError> {
        let asked = serde_json::to_string(&asked).expect("what is asked has string keys only");
        self.0.put(&pending(account, openid), asked, life).await
    }

    /// What this person is asked about. What can't be read is nothing that they could answer.
    pub async fn get(&self, account: &AccountName, openid: &OpenId) -> Result<Option<Asked>, StoreError> {
        let asked = self.0.get(&pending(account, openid)).await?;
        Ok(asked.and_then(|asked| serde_json::from_str(&asked).ok()))
    }
}

fn pending(account: &AccountName, openid: &OpenId) -> String {
    format!("pending:{account}:{openid}")
}
