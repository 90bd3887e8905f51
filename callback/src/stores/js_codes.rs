//! Who sent which `js_code`. WeChat trades each of them once, and our answer may get lost on its way to the phone.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use scenecast_scene::DeliveryId;
use scenecast_wechat::JsCodeSession;

/// As long as WeChat accepts a `js_code`.
const SESSION_LIFE: Duration = Duration::from_secs(5 * 60);

/// What WeChat has said about the `js_code`s of the last five minutes. Clones share it.
#[derive(Debug, Clone)]
pub struct JsCodes(Store);

impl JsCodes {
    /// The sessions in this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Remembers who sent a `js_code`. The key is a digest, since nobody needs the `js_code` again.
    pub async fn remember(&self, js_code: DeliveryId, session: &JsCodeSession) -> Result<(), StoreError> {
        let text = serde_json::to_string(session).expect("a session has string keys only");
        self.0.put(&key(js_code), text, SESSION_LIFE).await
    }

    /// Who sent this `js_code`, if WeChat has said so in the last five minutes.
    pub async fn recall(&self, js_code: DeliveryId) -> Result<Option<JsCodeSession>, StoreError> {
        let stored = self.0.get(&key(js_code)).await?;
        Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()))
    }
}

fn key(js_code: DeliveryId) -> String {
    format!("js-code:{js_code}")
}
