//! What a page sends to open a scene, and what it gets.

use std::net::IpAddr;

use scenecast_scene::{AccountName, Key, Language, PageInfo, SceneId};
use serde::{Deserialize, Serialize};

/// The longest `state` that a site may send, in bytes.
const MAX_STATE_BYTES: usize = 256;
/// The longest `locale`, in bytes.
const MAX_LOCALE_BYTES: usize = 35;

/// Who asks for a scene.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    /// The address as which the client is limited. It may stand for several clients.
    pub(crate) limited_as: Option<IpAddr>,
    /// What the phone is told of the page.
    pub(crate) page: PageInfo,
}

/// What a page sends to open a scene.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenRequest {
    /// The account to log in with.
    pub(crate) account: AccountName,
    /// What ties the scene to this browser's session at the site.
    #[serde(default)]
    pub(crate) state: Option<SiteState>,
    /// The language of the texts on the phone, as a BCP 47 tag. By default, the account's.
    #[serde(default)]
    pub(crate) locale: Option<Locale>,
}

impl OpenRequest {
    /// What is known of the page that sent this.
    pub(crate) fn page(&self, visitor: &Visitor) -> PageInfo {
        PageInfo { language: self.locale.map(|locale| locale.0), ..visitor.page.clone() }
    }
}

/// A BCP 47 tag, or a POSIX locale such as `zh_CN.UTF-8`, of which the gateway only looks at the language.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Locale(pub(crate) Language);

impl TryFrom<String> for Locale {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let tag = text.split(['.', '@']).next().unwrap_or_default();
        let fits = (2..=MAX_LOCALE_BYTES).contains(&text.len())
            && tag.len() >= 2
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if fits { Ok(Self(Language::from_locale(tag))) } else { Err("locale has to be a language tag such as zh-CN") }
    }
}

/// A site's `state`: 1 to 256 bytes. It never appears in a log.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SiteState(String);

impl SiteState {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SiteState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<state>")
    }
}

impl TryFrom<String> for SiteState {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if (1..=MAX_STATE_BYTES).contains(&text.len()) { Ok(Self(text)) } else { Err("state has to be 1 to 256 bytes") }
    }
}

/// The code that a page shows, by which the phone finds the scene.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisplayedCode {
    /// A QR code with this address, and its image.
    Qr { url: String, svg: String },
    MiniProgram {
        /// The image of the code, as a `data:` URL.
        image: String,
    },
    /// Digits that the user types into a chat with the account.
    Code(String),
}

/// A new scene: the answer to `POST /v1/scenes`, and the first frame on a WebSocket that opened one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OpenedScene {
    pub(crate) scene: SceneId,
    /// The page's key for it.
    pub(crate) key: Key,
    /// The scene's life in seconds.
    pub(crate) expires_in: u64,
    #[serde(flatten)]
    pub(crate) code: DisplayedCode,
}
