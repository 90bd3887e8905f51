//! Types of values that several binaries' configurations have.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, de};
use url::Url;

use scenecast_scene::Rotating;

/// A whole number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Seconds(u32);

impl Seconds {
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

/// Deserializes a secret that the operator chose, with its previous value while it is changed. Refuses fewer than 16
/// bytes, because short secrets can be guessed.
pub fn strong_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Rotating, D::Error> {
    let secret: Rotating = Rotating::deserialize(from)?;
    if secret.any(|secret| secret.bytes().len() < 16) {
        return Err(de::Error::custom("a secret must have at least 16 characters"));
    }
    Ok(secret)
}

/// Deserializes a list of texts, or one text with commas, as an environment variable has it.
pub(crate) fn text_list<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListOrText {
        List(Vec<String>),
        Text(String),
    }
    Ok(match ListOrText::deserialize(from)? {
        ListOrText::List(list) => list,
        ListOrText::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
    })
}

/// The web origins whose pages may open scenes. In configuration: a list, or one text with commas.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeSet<String>);

impl Origins {
    /// Whether a page of this origin may open scenes.
    pub fn allows(&self, origin: &str) -> bool {
        self.0.contains(origin)
    }
}

impl Extend<String> for Origins {
    fn extend<I: IntoIterator<Item = String>>(&mut self, origins: I) {
        self.0.extend(origins);
    }
}

impl FromIterator<String> for Origins {
    fn from_iter<I: IntoIterator<Item = String>>(origins: I) -> Self {
        Self(origins.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_list(from)?
            .into_iter()
            .map(|written| match Url::parse(&written).map(|url| url.origin()) {
                Ok(origin) if origin.is_tuple() && origin.ascii_serialization() == written => Ok(written),
                _ => Err(de::Error::custom(format!(
                    "{written:?} is not an origin as browsers write it, such as https://www.example.com"
                ))),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// How a process shuts down; see [`crate::shutdown`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainConfig {
    /// How long a pod that is no longer ready still accepts connections, until Kubernetes has taken it out of its Services.
    pub notice: Seconds,
    /// Over how long the closes of open connections are spread.
    pub window: Seconds,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { notice: Seconds::new(3), window: Seconds::new(20) }
    }
}

/// Logs and traces.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Which log lines are written.
    pub log: LogFilter,
    /// Where traces go by OTLP over HTTP, such as `http://host:4318`. Without it no traces are made.
    pub otlp_endpoint: Option<HttpUrl>,
    /// The part of the logins that is traced.
    pub trace_share: Ratio,
}

/// A log level, or `target=level` pairs with commas. `info` by default.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct LogFilter(String);

impl LogFilter {
    /// The text, in the syntax of `tracing_subscriber::EnvFilter`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl TryFrom<String> for LogFilter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match tracing_subscriber::EnvFilter::try_new(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(format!("must be a level, or target=level pairs with commas ({error})")),
        }
    }
}

/// A number from 0 to 1. 0.01 by default.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub struct Ratio(f64);

impl Ratio {
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Ratio {
    fn default() -> Self {
        Self(0.01)
    }
}

impl TryFrom<f64> for Ratio {
    type Error = &'static str;

    fn try_from(ratio: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&ratio) { Ok(Self(ratio)) } else { Err("must be between 0 and 1") }
    }
}

/// An `http:` or `https:` URL without query and fragment. A slash at its end is removed.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The URL with this path after it.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Url::parse(&text) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none() =>
            {
                Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
            }
            _ => Err("must be an address such as http://host:4318"),
        }
    }
}

/// Defaults, for `#[serde(default = "…")]`.
pub mod defaults {
    use crate::config::types::Seconds;

    /// How long a scene lives.
    pub const fn scene_life() -> Seconds {
        Seconds::new(120)
    }

    /// How long a grant can be redeemed. A Redis failover takes up to a minute, and nothing can be redeemed in that time, so
    /// a grant lives longer.
    ///
    /// See docs/decisions/015-a-grant-lives-two-minutes.md.
    pub const fn grant_life() -> Seconds {
        Seconds::new(120)
    }
}
