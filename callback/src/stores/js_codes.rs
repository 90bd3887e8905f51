//! Who sent which `js_code`. WeChat trades each of them once, and our answer may get lost on its way to the phone. A
//! `js_code` that WeChat doesn't know is remembered, too, so that WeChat is asked about it once. Of equal calls at the same
//! time, one asks WeChat and the others get what it is told.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use scenecast_scene::DeliveryId;
use scenecast_wechat::JsCodeSession;
use serde::{Deserialize, Serialize};

/// As long as WeChat accepts a `js_code`.
const SESSION_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long one call may ask WeChat before another one does.
const ASKING_LIFE: Duration = Duration::from_secs(5);
/// How long the calls that wait for another one's answer may read that there was none. Phones come back later.
const REFUSAL_LIFE: Duration = Duration::from_secs(2);
/// Before the random part of what is stored while WeChat is asked. No JSON begins so.
const ASKING: &str = "asking:";

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
    /// WeChat has just not said who sent it.
    Untold {
        /// Why.
        refusal: SessionRefusal,
    },
}

/// Why WeChat doesn't say who sent a `js_code`, by what the phone is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionRefusal {
    /// WeChat can't be reached, or is busy.
    Unavailable,
    /// The minute's calls are used up.
    MinuteQuota,
    /// WeChat lets this person log in nowhere.
    PersonBlocked,
    /// WeChat refuses the mini program.
    MiniProgram,
}

/// What is known of a `js_code` when a call comes with it.
pub enum JsCodeLookup {
    /// WeChat has said this.
    Answered(JsCodeSender),
    /// Another call is asking WeChat.
    BeingAsked,
    /// The caller asks WeChat, and then remembers what it says.
    Missing,
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
        self.remember_unless_known(js_code, &JsCodeSender::Unknown { invalid: true }, SESSION_LIFE).await
    }

    /// Lets the calls that wait for this one know that WeChat said nothing, and why.
    pub async fn remember_refusal(&self, js_code: DeliveryId, refusal: SessionRefusal) -> Result<(), StoreError> {
        self.remember_unless_known(js_code, &JsCodeSender::Untold { refusal }, REFUSAL_LIFE).await
    }

    async fn remember_unless_known(
        &self,
        js_code: DeliveryId,
        sender: &JsCodeSender,
        life: Duration,
    ) -> Result<(), StoreError> {
        let change = |stored: Option<&str>| {
            let known = stored.filter(|stored| matches!(parse(stored), Some(JsCodeSender::Known(_))));
            (Some(known.map_or_else(|| text(sender), str::to_owned)), ())
        };
        self.0.update(&key(js_code), Some(life), change).await
    }

    /// What WeChat has said about this `js_code` in the last five minutes.
    pub async fn recall(&self, js_code: DeliveryId) -> Result<Option<JsCodeSender>, StoreError> {
        Ok(self.0.get(&key(js_code)).await?.as_deref().and_then(parse))
    }

    /// What WeChat has said about this `js_code`, or the right to ask it. The right ends after five seconds.
    pub async fn find_or_lease(&self, js_code: DeliveryId) -> Result<JsCodeLookup, StoreError> {
        let mine = format!("{ASKING}{}", hex::encode(rand::random::<[u8; 8]>()));
        let stored = self.0.put_if_absent(&key(js_code), &mine, ASKING_LIFE).await?;
        Ok(match stored {
            None => JsCodeLookup::Missing,
            Some(stored) if stored.starts_with(ASKING) => JsCodeLookup::BeingAsked,
            // A newer version wrote what can't be read. It counts as nothing, as in `recall`.
            Some(stored) => parse(&stored).map_or(JsCodeLookup::Missing, JsCodeLookup::Answered),
        })
    }
}

fn parse(stored: &str) -> Option<JsCodeSender> {
    serde_json::from_str(stored).ok()
}

fn text(sender: &JsCodeSender) -> String {
    serde_json::to_string(sender).expect("a sender has string keys only")
}

fn key(js_code: DeliveryId) -> String {
    format!("js-code:{js_code}")
}
