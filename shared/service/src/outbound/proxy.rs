//! The proxies that a configuration names for our own requests, and those that the environment names.

use std::fmt;

use serde::Deserialize;
use url::Url;

/// Where other programs look for a proxy.
const VARIABLES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A proxy for our own requests: `http://` or `https://`, perhaps with user and password, which are never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn for_everything(&self) -> reqwest::Proxy {
        reqwest::Proxy::all(self.0.clone()).expect("a proxy's address was checked when it was read")
    }
}

impl TryFrom<String> for ProxyUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Url::parse(&text).ok().filter(|url| {
            let has_only_a_host = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && has_only_a_host
        });
        url.map(Self).ok_or("must be the address of an HTTP proxy, such as http://proxy:3128")
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Tells the operator, when a process starts, that it uses no proxy of its environment. What the variables say isn't
/// shown: it may hold a password.
pub fn tell_of_unused_proxies(environment: impl Iterator<Item = (String, String)>) {
    let set: Vec<_> = environment
        .filter_map(|(name, value)| (VARIABLES.contains(&&*name) && !value.is_empty()).then_some(name))
        .collect();
    if !set.is_empty() {
        tracing::info!(
            variables = set.join(", "),
            "no connection of this process uses the proxy of these variables; a callback's calls of WeChat use \
             outbound.wechat_proxy, its webhooks use outbound.webhook_proxy, and connections to Redis, to callbacks and to \
             collectors of traces use none"
        );
    }
}

#[cfg(test)]
mod tests {
    use scenecast_testing::LogText;

    use super::*;

    #[test]
    fn a_proxy_is_an_address_and_shows_no_password() {
        for (written, shown) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("http://proxy.internal:3128/", "http://proxy.internal:3128"),
            ("https://user:hush@proxy:443", "https://proxy"),
            ("http://user:hush@10.0.0.1:80", "http://10.0.0.1"),
        ] {
            let proxy = ProxyUrl::try_from(written.to_owned()).unwrap();
            assert_eq!((proxy.to_string(), format!("{proxy:?}")), (shown.to_owned(), shown.to_owned()));
        }
        for written in ["", "proxy:3128", "proxy", "socks5://proxy:1080", "http://", "http://proxy/path", "http://p?q"]
        {
            let error = ProxyUrl::try_from(written.to_owned()).unwrap_err();
            assert!(error.contains("http://proxy:3128"), "{written}");
        }
    }

    #[test]
    fn a_proxy_of_the_environment_is_told_of_without_its_password() {
        let told = |variables: &[(&str, &str)]| {
            let log = LogText::default();
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            tracing::subscriber::with_default(log.subscriber(), || tell_of_unused_proxies(variables));
            log.text()
        };
        let log =
            told(&[("HTTPS_PROXY", "http://user:hush@proxy:3128"), ("all_proxy", "socks5://p"), ("PATH", "/bin")]);
        assert!(log.contains("HTTPS_PROXY, all_proxy") && log.contains("outbound.wechat_proxy"), "{log}");
        assert!(!log.contains("hush"), "{log}");
        assert_eq!(told(&[("HTTP_PROXY", ""), ("NO_PROXY", "*")]), "");
    }
}
