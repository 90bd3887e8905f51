//! Where and how an account's site is told what happens.

use std::fmt;

use scenecast_shared::{config::Seconds, scene::Rotating, store::LetterKind};
use serde::Deserialize;
use url::Url;

use crate::site::Signer;

/// `[accounts.<name>.webhooks]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct Webhooks {
    /// Where to, and in which form.
    pub target: Target,
    /// What they are signed with.
    pub signer: Signer,
    /// How long after a first attempt that failed the second is made; it doubles from there, to an
    /// hour. Longer than an attempt may take.
    pub retry_after: Seconds,
    /// How old a letter may be that is tried again.
    pub retry_for: Seconds,
}

/// Where webhooks go, and in which form.
#[derive(Debug, Clone)]
pub enum Target {
    /// JSON, all to one address.
    Json(Endpoint),
    /// What hand-made backends take: a form for who follows, another for who doesn't any more. Logins
    /// aren't told.
    Form {
        /// Takes who follows.
        followed: Endpoint,
        /// Takes who doesn't any more.
        unfollowed: Endpoint,
    },
}

impl Target {
    /// Whether this is told there.
    pub(crate) fn is_told(&self, kind: LetterKind) -> bool {
        matches!((self, kind), (Self::Json(_), _) | (_, LetterKind::Followed | LetterKind::Unfollowed))
    }
}

/// An address of the site's backend. Its query may hold a secret, so it shows nothing but its origin.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint(Url);

impl Endpoint {
    /// The address itself.
    pub(crate) fn url(&self) -> Url {
        self.0.clone()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self(url)),
            _ => Err("must be an address such as https://www.example.com/wechat"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.0.origin().ascii_serialization())
    }
}

/// How webhooks are written in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    format: Format,
    url: Option<Endpoint>,
    followed_url: Option<Endpoint>,
    unfollowed_url: Option<Endpoint>,
    secret: Rotating,
    #[serde(default = "default_retry_after")]
    retry_after: Seconds,
    #[serde(default = "default_retry_for")]
    retry_for: Seconds,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Form,
}

fn default_retry_after() -> Seconds {
    Seconds::new(10)
}

fn default_retry_for() -> Seconds {
    Seconds::new(24 * 60 * 60)
}

impl TryFrom<Written> for Webhooks {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { format, url, followed_url, unfollowed_url, secret, retry_after, retry_for } = written;
        let target = match (format, url, followed_url, unfollowed_url) {
            (Format::Json, Some(url), None, None) => Target::Json(url),
            (Format::Json, ..) => return Err("format json takes url, and neither of the others".to_owned()),
            (Format::Form, None, Some(followed), Some(unfollowed)) => Target::Form { followed, unfollowed },
            (Format::Form, ..) => {
                return Err("format form takes followed_url and unfollowed_url, and no url".to_owned());
            }
        };
        if !(6..=3600).contains(&retry_after.duration().as_secs()) {
            return Err("retry_after must be 6 to 3600 seconds: an attempt may take 5".to_owned());
        }
        if !(60..=7 * 24 * 60 * 60).contains(&retry_for.duration().as_secs()) {
            return Err("retry_for must be a minute to a week, in seconds".to_owned());
        }
        let signer = Signer::new(&secret).map_err(|error| format!("secret: {error}"))?;
        Ok(Self { target, signer, retry_after, retry_for })
    }
}
