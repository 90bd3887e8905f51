//! Who sent which `js_code`: WeChat trades each of them once, and our answer may get lost on its way
//! back to the phone.

use std::time::Duration;

use super::{Store, StoreError};
use crate::{scene::DeliveryId, wechat::Session};

/// As long as WeChat takes a `js_code`.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// What WeChat has said of the `js_code`s of the last five minutes. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct JsCodes(Store);

impl JsCodes {
    /// In this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Remembers who sent it. It is named by a digest: nobody needs it again.
    pub async fn remember(&self, js_code: DeliveryId, session: &Session) -> Result<(), StoreError> {
        let text = serde_json::to_string(session).expect("a session has string keys only");
        self.0.put(&name(js_code), text, REMEMBERED).await
    }

    /// Who sent it, if somebody did.
    pub async fn recall(&self, js_code: DeliveryId) -> Result<Option<Session>, StoreError> {
        let stored = self.0.get(&name(js_code)).await?;
        Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()))
    }
}

fn name(js_code: DeliveryId) -> String {
    format!("js-code:{js_code}")
}
