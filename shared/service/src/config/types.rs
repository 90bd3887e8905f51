//! Values that every binary's configuration has.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, de};
use url::Url;

use scenecast_scene::Rotating;

/// Seconds, as written in configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Seconds(u32);

impl Seconds {
    /// That many seconds.
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

/// A secret of our own making, in rotation: at least 16 bytes, since shorter ones can be guessed.
pub fn strong<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Rotating, D::Error> {
    let secret = <Rotating>::deserialize(from)?;
    if secret.any(|secret| secret.bytes().len() < 16) {
        return Err(de::Error::custom("a secret must have at least 16 characters"));
    }
    Ok(secret)
}

/// Several texts: a list, or one text with commas, as environment variables have them.
pub(crate) fn texts<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Written::deserialize(from)? {
        Written::List(list) => list,
        Written::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
    })
}

/// The web origins whose pages may open scenes: a list, or one text with commas.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeSet<String>);

impl Origins {
    /// Whether a page of this origin may.
    pub fn allow(&self, origin: &str) -> bool {
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
        texts(from)?
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

/// How a process leaves.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainConfig {
    /// How long a pod that is no longer ready still accepts, until the endpoints have noticed.
    pub notice: Seconds,
    /// Over how long the closes of held connections are spread.
    pub window: Seconds,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { notice: Seconds::new(3), window: Seconds::new(20) }
    }
}

/// What a process tells about itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Which log lines.
    pub log: LogFilter,
    /// `http://host:4318`: where traces go by OTLP over HTTP. None if absent.
    pub otlp_endpoint: Option<HttpUrl>,
    /// Which share of the logins is traced.
    pub trace_share: Ratio,
}

/// A level, or `target=level` pairs with commas; `info` by default.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct LogFilter(String);

impl LogFilter {
    /// The text, which `EnvFilter` takes.
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

/// A part of a whole, 0 to 1; a hundredth by default.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub struct Ratio(f64);

impl Ratio {
    /// As a number.
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

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err("must be between 0 and 1") }
    }
}

/// An `http:` or `https:` address, without its last slash.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The address with a path after it.
    pub fn with(&self, path: &str) -> String {
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

/// Defaults that serde asks for by path.
pub mod defaults {
    use crate::config::types::Seconds;

    /// Life of a scene.
    pub const fn scene_life() -> Seconds {
        Seconds::new(120)
    }

    /// Life of a grant: longer than Redis is away at the worst, a minute, since nobody can redeem anything then.
    pub const fn grant_life() -> Seconds {
        Seconds::new(120)
    }
}
