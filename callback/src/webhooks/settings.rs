//! `[accounts.<name>.webhooks]` and `[mini_programs.<name>.webhooks]`.

use std::fmt;

use scenecast_scene::Rotating;
use scenecast_service::config::Seconds;
use serde::Deserialize;
use url::Url;

use super::signature::WebhookSigner;
use crate::stores::WebhookEventKind;

/// Where and how an account's site is told what happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WebhookTable")]
pub struct WebhookSettings {
    /// Where to, and in which form.
    pub target: WebhookTarget,
    /// The secrets that sign the webhooks.
    pub signer: WebhookSigner,
    /// The pause after the first failed attempt. It doubles with each attempt, up to an hour. It is longer than an
    /// attempt may take.
    pub retry_after: Seconds,
    /// An event that is older than this gets no further attempt.
    pub retry_for: Seconds,
}

/// Where webhooks go, and in which form.
#[derive(Debug, Clone)]
pub enum WebhookTarget {
    /// JSON, all to one address.
    Json(Endpoint),
    /// What hand-made backends take: a form for a follow, another form for an unfollow, and nothing for a login.
    Form { followed: Endpoint, unfollowed: Endpoint },
}

impl WebhookTarget {
    /// Whether the site wants events of this kind.
    pub(crate) fn takes(&self, kind: WebhookEventKind) -> bool {
        matches!((self, kind), (Self::Json(_), _) | (_, WebhookEventKind::Followed | WebhookEventKind::Unfollowed))
    }

    /// The host of the site.
    pub(crate) fn host(&self) -> Option<&str> {
        let (Self::Json(endpoint) | Self::Form { followed: endpoint, .. }) = self;
        endpoint.0.host_str()
    }
}

/// An address of the site's backend. Its query may hold a secret, so `Debug` shows only the origin.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint(Url);

impl Endpoint {
    /// The whole address.
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

/// The table as it is written in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookTable {
    #[serde(default)]
    format: WebhookFormat,
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
enum WebhookFormat {
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

impl TryFrom<WebhookTable> for WebhookSettings {
    type Error = String;

    fn try_from(table: WebhookTable) -> Result<Self, String> {
        let WebhookTable { format, url, followed_url, unfollowed_url, secret, retry_after, retry_for } = table;
        let target = match (format, url, followed_url, unfollowed_url) {
            (WebhookFormat::Json, Some(url), None, None) => Ok(WebhookTarget::Json(url)),
            (WebhookFormat::Json, ..) => Err("format json takes url, and neither of the others"),
            (WebhookFormat::Form, None, Some(followed), Some(unfollowed)) => {
                Ok(WebhookTarget::Form { followed, unfollowed })
            }
            (WebhookFormat::Form, ..) => Err("format form takes followed_url and unfollowed_url, and no url"),
        };
        let signer = WebhookSigner::new(&secret).map_err(|error| format!("secret: {error}"));
        let mut problems = vec![];
        if !(6..=3600).contains(&retry_after.duration().as_secs()) {
            problems.push("retry_after must be 6 to 3600 seconds: an attempt may take 5".to_owned());
        }
        if !(60..=7 * 24 * 60 * 60).contains(&retry_for.duration().as_secs()) {
            problems.push("retry_for must be a minute to a week, in seconds".to_owned());
        }
        match (target, signer) {
            (Ok(target), Ok(signer)) if problems.is_empty() => Ok(Self { target, signer, retry_after, retry_for }),
            (target, signer) => {
                problems.extend(target.err().map(ToOwned::to_owned));
                problems.extend(signer.err());
                Err(problems.join("; "))
            }
        }
    }
}
