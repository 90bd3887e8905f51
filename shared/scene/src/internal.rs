//! The calls from gateway to callback, and how they are authenticated: by an HMAC over time, nonce, path and body, with a
//! secret that both have and that can be rotated.
//!
//! Unknown fields are ignored, because during a deploy the other side may be newer.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountName, SceneId},
    page::PageInfo,
    secret::{Binding, Rotating, Secret, constant_time_eq},
};

/// The header with `time,nonce,mac`: unix seconds, 32 hex characters, 64 hex characters.
pub const HEADER: &str = "scenecast-signature";

/// Opens a scene: the body is an [`OpenCall`], the answer an [`OpenedHandle`].
pub const OPEN_PATH: &str = "/internal/scenes/open";
/// Opens lost scenes again: the body is a list of [`ReopenCall`], the answer the number of scenes that were opened.
pub const REOPEN_PATH: &str = "/internal/scenes/reopen";
/// Cancels a scene: the body is a [`CancelCall`], the answer is empty.
pub const CANCEL_PATH: &str = "/internal/scenes/cancel";

/// The largest number of scenes in one [`REOPEN_PATH`] call.
pub const MAX_REOPEN_BATCH: usize = 512;

/// The longest body of a call, in bytes. A full batch of scenes with the longest values fits.
pub const MAX_BODY_BYTES: usize = MAX_REOPEN_BATCH * 1024;

/// How far the caller's clock may differ from ours.
const MAX_CLOCK_SKEW_SECONDS: u64 = 60;

/// Opens a scene for a page.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenCall {
    /// The id of the page's new key.
    pub scene: SceneId,
    /// The account that is scanned with.
    pub account: AccountName,
    /// The browser that the scene is bound to.
    pub binding: Option<Binding>,
    /// What is known of the page.
    #[serde(default)]
    pub page: PageInfo,
    /// The address as which the page's client is limited, also where the page's own address isn't known. Gateways of
    /// versions before 0.3 don't tell it.
    #[serde(default)]
    pub limited_as: Option<IpAddr>,
    /// The life of the scene, in milliseconds.
    pub life_ms: u64,
    /// What the page can show.
    #[serde(default)]
    pub handle: Handle,
    /// Whether the page may ask again for the code of this scene. Then it gets the same one.
    #[serde(default)]
    pub may_ask_again: bool,
}

/// The kind of handle that a page asks for: what the phone brings back to find the scene.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handle {
    /// The best kind that the account can get now: a QR code, a mini-program code, or a typed code.
    #[default]
    Any,
    /// A code that the person types.
    Typed,
}

/// What the page of an opened scene shows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenedHandle {
    /// A QR code. The page or the gateway draws it.
    Qr {
        /// The content of the code.
        url: String,
        /// WeChat's id of the code. Not a secret: it can be derived from the code.
        ticket: String,
        /// The URL of WeChat's picture of the code.
        picture: String,
    },
    /// A mini-program code. Only WeChat can draw it.
    MiniProgram {
        /// The picture, as a `data:` URL.
        image: String,
    },
    /// A code that the person sends to the account as a text message.
    Typed { code: String },
}

/// Opens a scene again that Redis has lost, while its page is still there.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReopenCall {
    pub scene: SceneId,
    /// The account that the scene belongs to.
    pub account: AccountName,
    /// The browser that the scene is bound to.
    pub binding: Option<Binding>,
    /// What is known of the page.
    #[serde(default)]
    pub page: PageInfo,
    /// The rest of the scene's life, in milliseconds.
    pub life_ms: u64,
    /// The code that its page shows, if it has to be typed and the gateway knows it. Redis may have lost it, too. Gateways
    /// of versions before 0.3 don't tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed_code: Option<String>,
}

/// Cancels a scene, because its page gave up.
#[derive(Debug, Serialize, Deserialize)]
pub struct CancelCall {
    pub scene: SceneId,
}

/// Why a callback doesn't open a scene. The gateway tells the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum OpenRefusal {
    /// There is no such account.
    AccountUnknown,
    /// The account's daily quota of QR codes at WeChat is used up.
    #[strum(serialize = "wechat_quota")]
    Quota,
    /// WeChat refuses to make QR codes: the account has no right to them, or is configured wrongly.
    #[strum(serialize = "wechat_refused")]
    NotGranted,
    /// WeChat doesn't answer, or is busy.
    WechatUnavailable,
    BusUnavailable,
}

impl OpenRefusal {
    /// The `code` of the problem.
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The refusal with this code. `None` if the code is another.
    pub fn from_code(code: &str) -> Option<Self> {
        code.parse().ok()
    }

    /// The `detail` of the problem, for people.
    pub fn detail(self) -> &'static str {
        match self {
            Self::AccountUnknown => "there is no such account here",
            Self::Quota => "this account's QR codes of today are used up",
            Self::NotGranted => "WeChat makes no QR code for this account",
            Self::WechatUnavailable => "WeChat makes no QR code right now",
            Self::BusUnavailable => "scenes can't be reached right now",
        }
    }

    /// How long the page should wait before it tries again. `None` if that can't help.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::AccountUnknown | Self::NotGranted => None,
            Self::Quota => Some(Duration::from_secs(600)),
            Self::WechatUnavailable => Some(Duration::from_secs(3)),
            Self::BusUnavailable => Some(Duration::from_secs(2)),
        }
    }
}

/// Why an internal call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallSignatureError {
    /// There is no signature, or it has another form.
    #[error("the call has no valid signature header")]
    Unsigned,
    /// It was made with another secret, or for another path or body.
    #[error("the signature does not match")]
    Mismatch,
    /// It was made too long ago, or in the future. The clocks of the two pods may differ.
    #[error("the call was signed more than 60 s from this server's clock")]
    Stale,
}

/// Signs a call: returns the value of the header [`HEADER`] for this path and body.
pub fn sign(secrets: &Rotating, now: Duration, path: &str, body: &[u8]) -> String {
    let time = now.as_secs().to_string();
    let nonce = hex::encode(rand::random::<[u8; 16]>());
    let mac = mac(&secrets.current, &time, &nonce, path, body);
    format!("{time},{nonce},{mac}")
}

/// Checks the signature of a call. A nonce may be used again: every internal call can be repeated without harm, so nonces
/// aren't stored.
pub fn verify(
    secrets: &Rotating,
    now: Duration,
    path: &str,
    body: &[u8],
    header: &str,
) -> Result<(), CallSignatureError> {
    let mut parts = header.splitn(3, ',');
    let (Some(time), Some(nonce), Some(tag)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(CallSignatureError::Unsigned);
    };
    if !secrets.any(|secret| constant_time_eq(mac(secret, time, nonce, path, body).as_bytes(), tag.as_bytes())) {
        return Err(CallSignatureError::Mismatch);
    }
    match time.parse::<u64>() {
        Ok(time) if time.abs_diff(now.as_secs()) <= MAX_CLOCK_SKEW_SECONDS => Ok(()),
        _ => Err(CallSignatureError::Stale),
    }
}

fn mac(secret: &Secret, time: &str, nonce: &str, path: &str, body: &[u8]) -> String {
    hex::encode(secret.mac(&[b"internal call", time.as_bytes(), nonce.as_bytes(), path.as_bytes(), body]))
}

#[cfg(test)]
#[path = "internal_tests.rs"]
mod tests;
