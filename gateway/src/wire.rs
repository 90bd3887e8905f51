//! The own API's frames and bodies, as JSON.

use scenecast_shared::{
    scene::{AccountName, DeliveryId, Event, Happening, Key, Language, Number, SceneId, State},
    serve::Problem,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The longest `state` that a site may send, in bytes.
const STATE_AT_MOST: usize = 256;
/// The longest `locale`, in bytes.
const LOCALE_AT_MOST: usize = 35;

/// A page's first frame.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum First {
    /// Opens a scene.
    Open(Open),
    /// Goes on with one.
    Resume(Resume),
}

/// What a scene is asked for with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    /// The account to log in with.
    pub(crate) account: AccountName,
    /// What ties the scene to this browser's session at the site.
    #[serde(default)]
    pub(crate) state: Option<SiteState>,
    /// The language in which the phone is spoken to, as a BCP 47 tag; the account's if none.
    #[serde(default)]
    pub(crate) locale: Option<Locale>,
}

/// A BCP 47 tag, as far as it is understood here.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Locale(pub(crate) Language);

impl TryFrom<String> for Locale {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits =
            (2..=LOCALE_AT_MOST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits { Ok(Self(Language::of(&text))) } else { Err("locale has to be a BCP 47 tag such as zh-CN") }
    }
}

/// A site's `state`: 1 to 256 bytes.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SiteState(String);

impl SiteState {
    /// The text.
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
        if (1..=STATE_AT_MOST).contains(&text.len()) { Ok(Self(text)) } else { Err("state has to be 1 to 256 bytes") }
    }
}

/// Which scene to go on with, and from where.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resume {
    /// The page's key.
    pub(crate) key: String,
    /// The highest `seq` that the page has seen.
    #[serde(default)]
    pub(crate) after: u64,
}

/// What a page shows: one of these.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shown {
    /// A QR code, as text and as picture.
    Qr {
        /// What it says.
        url: String,
        /// Its picture.
        svg: String,
    },
    /// A mini-program code.
    MiniProgram {
        /// Its picture, as a `data:` address.
        image: String,
    },
    /// Digits to be typed to the account.
    Code(String),
}

/// A new scene: the answer to `POST /v1/scenes`, and the first frame to a page that opened one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Opened {
    /// The scene.
    pub(crate) scene: SceneId,
    /// The page's key for it.
    pub(crate) key: Key,
    /// How long it lives, in seconds.
    pub(crate) expires_in: u64,
    /// What the phone finds the scene by.
    #[serde(flatten)]
    pub(crate) shown: Shown,
}

/// A frame to the page.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Frame<'a> {
    /// A scene was opened.
    Opened(&'a Opened),
    /// The page's scene goes on.
    Resumed {
        /// The scene.
        scene: SceneId,
        /// Where it stands.
        state: &'static str,
        /// What is left of its life, in seconds.
        expires_in: u64,
    },
    /// Somebody scanned.
    Scanned(EventFrame<'a>),
    /// Logged in.
    Confirmed(EventFrame<'a>),
    /// Whoever scanned said no.
    Declined(EventFrame<'a>),
    /// The page gave up.
    Cancelled(EventFrame<'a>),
    /// The scene's time is over.
    Expired,
    /// Nobody can say for now what happens to the scene. What does is told later, after where it stands then.
    Trouble,
    /// The page goes on at another pod. On a WebSocket the close says so.
    Restart {
        /// After how long, in milliseconds.
        retry_after_ms: u64,
    },
    /// Something went wrong; a close follows.
    Problem {
        /// What programs look at.
        code: &'static str,
        /// What people read.
        detail: &'a str,
        /// When to come back, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

/// An event, as the page is told it.
#[derive(Debug, Serialize)]
pub(crate) struct EventFrame<'a> {
    seq: u64,
    delivery: DeliveryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<&'a str>,
    /// What the page has to show, where the phone has to pick it.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
    /// Somebody typed this page's code, perhaps by mistake: the page asks before it goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    typed: bool,
}

impl<'a> Frame<'a> {
    /// The frame that tells this event.
    pub(crate) fn event(event: &'a Event) -> Self {
        let (profile, login) = match &event.what {
            Happening::Scanned(scan) => (Some(&scan.profile), None),
            Happening::Confirmed(login) => (Some(&login.profile), Some(login)),
            Happening::Declined | Happening::Cancelled => (None, None),
        };
        let number = match &event.what {
            Happening::Scanned(scan) => scan.number,
            _ => None,
        };
        let told = EventFrame {
            seq: event.seq,
            delivery: event.delivery,
            name: profile.map(|profile| profile.name.as_str()),
            avatar: profile.map(|profile| profile.avatar.as_str()),
            number,
            grant: login.map(|login| login.grant.to_string()),
            typed: login.is_some_and(|login| login.typed),
        };
        match event.what {
            Happening::Scanned(_) => Self::Scanned(told),
            Happening::Confirmed(_) => Self::Confirmed(told),
            Happening::Declined => Self::Declined(told),
            Happening::Cancelled => Self::Cancelled(told),
        }
    }

    /// The frame that tells this problem.
    pub(crate) fn problem(problem: &'a Problem) -> Self {
        Self::Problem { code: problem.code, detail: &problem.detail, retry_after: problem.retry_after_secs() }
    }

    /// The frame that tells a page where its scene stands.
    pub(crate) fn resumed(scene: SceneId, state: State, remaining: std::time::Duration) -> Self {
        Self::Resumed { scene, state: state.word(), expires_in: remaining.as_secs() }
    }

    /// Its `type`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Resumed { .. } => "resumed",
            Self::Scanned(_) => "scanned",
            Self::Confirmed(_) => "confirmed",
            Self::Declined(_) => "declined",
            Self::Cancelled(_) => "cancelled",
            Self::Expired => "expired",
            Self::Trouble => "trouble",
            Self::Restart { .. } => "restart",
            Self::Problem { .. } => "problem",
        }
    }

    /// Its JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("a frame has string keys only")
    }
}

/// The answer to a poll.
#[derive(Debug, Serialize)]
pub(crate) struct Polled {
    /// The scene.
    pub(crate) scene: SceneId,
    /// Where it stands.
    pub(crate) state: &'static str,
    /// What is left of its life, in seconds, while somebody can still scan or confirm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<u64>,
    /// What has happened since the event that was asked after: frames as on the other transports.
    pub(crate) events: Vec<Box<RawValue>>,
    /// The page goes on elsewhere: after how long, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
