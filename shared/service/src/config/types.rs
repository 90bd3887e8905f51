//! Types of values that several binaries' configurations have.

use std::{
    fmt::Display,
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    ops::RangeInclusive,
    time::Duration,
};

use serde::{Deserialize, de};
use url::{Host, Url};

use super::error::{ConfigError, ConfigWarning};

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

    /// Refuses a value outside of this range, for the setting at `place`.
    pub fn check(self, place: impl Display, range: RangeInclusive<u32>) -> Result<(), ConfigError> {
        if range.contains(&self.0) {
            return Ok(());
        }
        Err(ConfigError::at(place, format_args!("must be {} to {} seconds", range.start(), range.end())))
    }
}

/// Deserializes a list of texts, or one text with commas, as an environment variable has it.
pub(crate) fn text_list<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "must be a list of texts, or one text with commas")]
    enum ListOrText {
        List(Vec<String>),
        Text(String),
    }
    Ok(match ListOrText::deserialize(from)? {
        ListOrText::List(list) => list,
        ListOrText::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
    })
}

/// How long most proxies keep a connection that nobody uses: nginx, AWS's load balancers, and others.
const USUAL_PROXY_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Warns of a `limits.keep_alive` with which a proxy sends a request on a connection that we are just closing.
pub fn keep_alive_warning(keep_alive: Seconds) -> Option<ConfigWarning> {
    let is_short = keep_alive.duration() <= USUAL_PROXY_KEEP_ALIVE;
    is_short.then(|| {
        ConfigWarning::at(
            "limits.keep_alive",
            "is no longer than the 60 seconds for which most proxies keep a connection; a proxy answers 502 when it \
             sends a request on one that this pod is just closing",
        )
    })
}

/// Deserializes an address to listen on.
pub fn listen_address<'de, D: serde::Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let requirement = "must be an IP address and a port, such as 127.0.0.1:8080, or [::]:8080 for all addresses; \
                       a name such as localhost can't be given";
    String::deserialize(from)?.parse().map_err(|_| de::Error::custom(requirement))
}

/// All addresses of the machine, of IPv6 and IPv4.
///
/// See docs/decisions/118-all-addresses-are-one-listener.md.
pub const fn all_addresses(port: u16) -> SocketAddr {
    SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0))
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

impl DrainConfig {
    /// Refuses times for which no pod is given: at most 300 seconds of notice, and an hour for the closes.
    pub fn check(self) -> Result<(), ConfigError> {
        ConfigError::all([self.notice.check("drain.notice", 0..=300), self.window.check("drain.window", 0..=3600)])
    }
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
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        // Any other bare word would be a target, and all else would be silent.
        let is_clear = |directive: &str| {
            directive.contains('=') || LEVELS.iter().any(|level| directive.trim().eq_ignore_ascii_case(level))
        };
        if text.split(',').all(is_clear) && tracing_subscriber::EnvFilter::try_new(&text).is_ok() {
            return Ok(Self(text));
        }
        Err(format!("must be one of {}, or target=level pairs with commas", LEVELS.join(", ")))
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// The URL with this path after it, and a query if there is one.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0.as_str().trim_end_matches('/'))
    }

    /// The URL with this path after it, without a query. Nothing but the path is read anew: that is done for each request.
    pub fn with_path(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }

    /// Whether what is sent there can be read on the way: it isn't encrypted, and leaves this machine.
    pub fn is_exposed(&self) -> bool {
        is_exposed(&self.0)
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Url::parse(&text) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none() =>
            {
                Ok(Self(url))
            }
            _ => Err("must be an address with http:// or https://, such as http://host:8082, without ? and #"),
        }
    }
}

/// Whether what is sent to this URL can be read on the way: it isn't encrypted, and leaves this machine.
pub fn is_exposed(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_loopback
}

/// Defaults, for `#[serde(default = "…")]`.
pub mod defaults {
    use std::ops::RangeInclusive;

    use crate::config::types::Seconds;

    /// How many seconds a connection may wait for its next request. Google's load balancers keep theirs for 600.
    pub const KEEP_ALIVE: RangeInclusive<u32> = 1..=3600;

    /// How long a connection may wait for its next request: longer than most proxies keep theirs, which is 60 s.
    ///
    /// See docs/decisions/065-a-proxy-closes-its-connections-before-we-do.md.
    pub const fn keep_alive() -> Seconds {
        Seconds::new(75)
    }

    /// How many seconds a scene may live. A person needs ten to scan, and WeChat's QR codes live half an hour.
    pub const SCENE_LIFE: RangeInclusive<u32> = 10..=1800;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_follows_that_of_the_url() {
        for (base, wanted) in [
            ("http://host:8082", "http://host:8082/a/b"),
            ("http://host:8082/", "http://host:8082/a/b"),
            ("http://host//", "http://host/a/b"),
            ("https://host/inner%20path/", "https://host/inner%20path/a/b"),
            ("https://user:secret@[::1]:1/inner", "https://user:secret@[::1]:1/inner/a/b"),
        ] {
            let base = HttpUrl::try_from(base.to_owned()).unwrap();
            assert_eq!((base.with_path("/a/b").as_str(), &*base.join("/a/b")), (wanted, wanted));
        }
    }
}
