//! How gateway and callback authenticate to each other, and what they say: an HMAC over time,
//! nonce and body, under a secret that both hold and that can be rotated. Fields that one doesn't know are passed
//! over, since the other may be of a newer version while both are being replaced.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountName, SceneId},
    page::PageInfo,
    secret::{Binding, Rotating, Secret, same},
};

/// The header that carries `time,nonce,mac`.
pub const HEADER: &str = "scenecast-signature";

/// Where scenes are opened: [`OpenCall`] in, [`OpenedHandle`] out.
pub const OPEN_PATH: &str = "/internal/scenes/open";
/// Where lost scenes are opened again: a list of [`ReopenCall`] in, how many were opened out.
pub const REOPEN_PATH: &str = "/internal/scenes/reopen";
/// Where a page's scene is given up: [`CancelCall`] in, nothing out.
pub const CANCEL_PATH: &str = "/internal/scenes/cancel";

/// The most scenes in one [`REOPEN_PATH`] call.
pub const REOPEN_CHUNK: usize = 512;

/// The longest body of a call, in bytes: as many scenes, of pages of which all is known and nothing is short.
pub const BODY_AT_MOST: usize = REOPEN_CHUNK * 1024;

/// How far the caller's clock may be from ours, in seconds.
const WINDOW: u64 = 60;

/// A page asks for a scene and what its phone can bring back.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenCall {
    /// The scene, from the page's new key.
    pub scene: SceneId,
    /// The account to log in with.
    pub account: AccountName,
    /// The browser that it is tied to.
    pub binding: Option<Binding>,
    /// What is known of the page.
    #[serde(default)]
    pub page: PageInfo,
    /// How long it lives, in milliseconds.
    pub life_ms: u64,
    /// What the page wants to show.
    #[serde(default)]
    pub handle: Handle,
}

/// What a page wants its phone to find the scene by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handle {
    /// The best that the account can do now: its own code, a mini program's, or a typed one.
    #[default]
    Any,
    /// A code to be typed.
    Typed,
}

/// A scene was opened: what its page shows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenedHandle {
    /// A QR code to be drawn.
    Qr {
        /// What it says.
        url: String,
        /// WeChat's own name for it. Not a secret: it can be guessed from the code.
        ticket: String,
        /// The address of WeChat's own picture of it.
        picture: String,
    },
    /// A mini-program code, which only WeChat can draw.
    MiniProgram {
        /// The picture, as a `data:` address.
        image: String,
    },
    /// A code to be typed to the account.
    Typed {
        /// Its digits.
        code: String,
    },
}

/// Redis lost a scene whose page is still there.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReopenCall {
    /// The scene.
    pub scene: SceneId,
    /// Its account.
    pub account: AccountName,
    /// The browser that it is tied to.
    pub binding: Option<Binding>,
    /// What is known of its page.
    #[serde(default)]
    pub page: PageInfo,
    /// What is left of its life, in milliseconds.
    pub life_ms: u64,
}

/// A page gives up.
#[derive(Debug, Serialize, Deserialize)]
pub struct CancelCall {
    /// The scene.
    pub scene: SceneId,
}

/// Why a callback opens no scene, as the gateway passes it on to the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum OpenRefusal {
    /// There is no such account.
    AccountUnknown,
    /// WeChat gives this account no more QR codes today.
    #[strum(serialize = "wechat_quota")]
    Quota,
    /// WeChat gives this account no QR codes: it has no right to, or is configured wrongly.
    #[strum(serialize = "wechat_refused")]
    NotGranted,
    /// WeChat gives no answer, or is busy.
    WechatUnavailable,
    /// Redis gives no answer.
    BusUnavailable,
}

impl OpenRefusal {
    /// The `code` of the problem that says so.
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The refusal with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        code.parse().ok()
    }

    /// What people read.
    pub fn detail(self) -> &'static str {
        match self {
            Self::AccountUnknown => "there is no such account here",
            Self::Quota => "this account's QR codes of today are used up",
            Self::NotGranted => "WeChat makes no QR code for this account",
            Self::WechatUnavailable => "WeChat makes no QR code right now",
            Self::BusUnavailable => "scenes can't be reached right now",
        }
    }

    /// When the page may try again, where that can help.
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
    /// No signature, or not one of this form.
    #[error("the call has no valid signature header")]
    Unsigned,
    /// Signed under another secret, or something else was signed.
    #[error("the signature does not match")]
    Mismatch,
    /// Signed too long ago, or in the future.
    #[error("the call was signed more than 60 s from this server's clock")]
    Stale,
}

/// The header's value for this path and body.
pub fn sign(secrets: &Rotating, now: Duration, path: &str, body: &[u8]) -> String {
    let (time, nonce) = (now.as_secs().to_string(), hex::encode(rand::random::<[u8; 16]>()));
    let mac = mac(&secrets.current, &time, &nonce, path, body);
    format!("{time},{nonce},{mac}")
}

/// Checks the header's value. All internal calls may be repeated without harm, so a nonce is not
/// remembered: it only makes signatures differ.
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
    if !secrets.any(|secret| same(mac(secret, time, nonce, path, body).as_bytes(), tag.as_bytes())) {
        return Err(CallSignatureError::Mismatch);
    }
    match time.parse::<u64>() {
        Ok(time) if time.abs_diff(now.as_secs()) <= WINDOW => Ok(()),
        _ => Err(CallSignatureError::Stale),
    }
}

fn mac(secret: &Secret, time: &str, nonce: &str, path: &str, body: &[u8]) -> String {
    hex::encode(secret.mac(&[b"internal call", time.as_bytes(), nonce.as_bytes(), path.as_bytes(), body]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Language;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const LONG_AGO: Duration = Duration::from_secs(1_800_000_000 - 61);

    fn secrets() -> Rotating {
        Rotating { current: "new".into(), previous: Some("old".into()) }
    }

    fn check(header: &str) -> Result<(), CallSignatureError> {
        verify(&secrets(), NOW, "/p", b"body", header)
    }

    #[test]
    fn a_call_under_either_secret_passes() {
        assert_eq!(check(&sign(&secrets(), NOW, "/p", b"body")), Ok(()));
        assert_eq!(check(&sign(&Rotating::fixed("old"), NOW, "/p", b"body")), Ok(()));
    }

    #[test]
    fn a_full_chunk_of_the_longest_scenes_is_not_too_long() {
        let longest = ReopenCall {
            scene: "-_v7-_v7-_v7-_v7-_v7-w".parse().unwrap(),
            account: "a".repeat(32).parse().unwrap(),
            binding: Some(Binding::of("state")),
            page: PageInfo {
                host: Some("h".repeat(253)),
                address: Some("2001:db80:1111:2222:3333:4444:5555:6666".parse().unwrap()),
                browser: Some("QQ Browser, HarmonyOS".to_owned()),
                language: Some(Language::Zh),
                // Each takes two bytes in JSON.
                chosen_id: Some("\"".repeat(64).parse().unwrap()),
            },
            life_ms: u64::MAX,
        };
        let chunk: Vec<&ReopenCall> = std::iter::repeat_n(&longest, REOPEN_CHUNK).collect();
        assert!(serde_json::to_vec(&chunk).unwrap().len() <= BODY_AT_MOST);
    }

    #[test]
    fn what_was_not_signed_so_is_refused() {
        for (header, why) in [
            (String::new(), CallSignatureError::Unsigned),
            ("1,2".to_owned(), CallSignatureError::Unsigned),
            ("1,2,3".to_owned(), CallSignatureError::Mismatch),
            (sign(&Rotating::fixed("other"), NOW, "/p", b"body"), CallSignatureError::Mismatch),
            (sign(&secrets(), NOW, "/q", b"body"), CallSignatureError::Mismatch),
            (sign(&secrets(), NOW, "/p", b"bodies"), CallSignatureError::Mismatch),
            (sign(&secrets(), LONG_AGO, "/p", b"body"), CallSignatureError::Stale),
            (sign(&secrets(), NOW + Duration::from_secs(61), "/p", b"body"), CallSignatureError::Stale),
        ] {
            assert_eq!(check(&header), Err(why), "{header}");
        }
    }

    #[test]
    fn what_is_signed_passes_and_nothing_else() {
        bolero::check!().with_type().for_each(|(path, body, at, character): &(String, Vec<u8>, u8, char)| {
            let header = sign(&secrets(), NOW, path, body);
            assert_eq!(verify(&secrets(), NOW, path, body, &header), Ok(()));
            assert!(verify(&secrets(), NOW, path, &[body.as_slice(), b"x"].concat(), &header).is_err());
            let mut changed: Vec<char> = header.chars().collect();
            let at = usize::from(*at) % changed.len();
            if std::mem::replace(&mut changed[at], *character) != *character {
                let changed: String = changed.into_iter().collect();
                assert!(verify(&secrets(), NOW, path, body, &changed).is_err(), "{changed}");
            }
        });
    }

    #[test]
    fn whatever_is_sent_is_a_call_or_is_not() {
        bolero::check!().for_each(|body: &[u8]| {
            assert!(check(&String::from_utf8_lossy(body)).is_err());
            reads_back::<OpenCall>(body);
            reads_back::<OpenedHandle>(body);
            reads_back::<Vec<ReopenCall>>(body);
            reads_back::<CancelCall>(body);
        });
    }

    #[test]
    fn a_refusal_has_a_code_of_its_own() {
        for (refusal, code) in [
            (OpenRefusal::AccountUnknown, "account_unknown"),
            (OpenRefusal::Quota, "wechat_quota"),
            (OpenRefusal::NotGranted, "wechat_refused"),
            (OpenRefusal::WechatUnavailable, "wechat_unavailable"),
            (OpenRefusal::BusUnavailable, "bus_unavailable"),
        ] {
            assert_eq!((refusal.code(), OpenRefusal::from_code(code)), (code, Some(refusal)));
        }
        assert_eq!(OpenRefusal::from_code("nonsense"), None);
    }

    fn reads_back<T: Serialize + for<'de> Deserialize<'de>>(body: &[u8]) {
        if let Ok(call) = serde_json::from_slice::<T>(body) {
            let written = serde_json::to_vec(&call).unwrap();
            let again: T = serde_json::from_slice(&written).unwrap();
            assert_eq!(serde_json::to_vec(&again).unwrap(), written);
        }
    }
}
