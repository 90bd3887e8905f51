//! Who sent which `js_code`. WeChat trades each of them once, and our answer may get lost on its way to the phone. A
//! `js_code` that WeChat doesn't know is remembered, too, so that WeChat is asked about it once.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use scenecast_scene::DeliveryId;
use scenecast_wechat::JsCodeSession;
use serde::{Deserialize, Serialize};

/// As long as WeChat accepts a `js_code`.
const SESSION_LIFE: Duration = Duration::from_secs(5 * 60);

/// What WeChat has said about a `js_code`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum JsCodeSender {
    /// This person sent it.
    Known(JsCodeSession),
    /// WeChat doesn't know the `js_code`, or it was used elsewhere.
    Unknown {
        /// Tells this from a session in Redis.
        invalid: bool,
    },
}

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
        self.0.put(&key(js_code), text(&JsCodeSender::Known(session.clone())), SESSION_LIFE).await
    }

    /// Remembers that WeChat doesn't know a `js_code`, unless it is known who sent it: of two equal calls at the same
    /// time WeChat answers one.
    pub async fn remember_invalid(&self, js_code: DeliveryId) -> Result<(), StoreError> {
        let invalid = text(&JsCodeSender::Unknown { invalid: true });
        self.0.put_if_absent(&key(js_code), &invalid, SESSION_LIFE).await.map(drop)
    }

    /// What WeChat has said about this `js_code` in the last five minutes.
    pub async fn recall(&self, js_code: DeliveryId) -> Result<Option<JsCodeSender>, StoreError> {
        let stored = self.0.get(&key(js_code)).await?;
        Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()))
    }
}

fn text(sender: &JsCodeSender) -> String {
    serde_json::to_string(sender).expect("a sender has string keys only")
}

fn key(js_code: DeliveryId) -> String {
    format!("js-code:{js_code}")
}
