//! The web origins whose pages may open scenes. No I/O.

use std::collections::BTreeSet;

use serde::{Deserialize, de};
use url::{Host, Url};

use super::{
    load::{ConfigError, ConfigWarning},
    types::{is_exposed, text_list},
};

/// The web origins whose pages may open scenes. In configuration: a list, or one text with commas.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeSet<String>);

impl Origins {
    /// Whether a page of this origin may open scenes.
    pub fn allows(&self, origin: &str) -> bool {
        self.0.contains(origin)
    }

    /// Refuses an empty list: browsers name the origin of each page, so no page could log in.
    pub fn check_some(&self) -> Result<(), ConfigError> {
        if self.0.is_empty() {
            return Err(ConfigError::at("origins", "must name at least one origin; without one no page can log in"));
        }
        Ok(())
    }

    /// Origins that an attacker on the network can speak for.
    pub fn warnings(&self) -> impl Iterator<Item = ConfigWarning> {
        let exposed = self.0.iter().filter(|origin| Url::parse(origin).is_ok_and(|url| is_exposed(&url)));
        exposed.map(|origin| {
            let problem =
                format!("pages of {origin} come unencrypted, so whoever changes them on the way gets their logins");
            ConfigWarning::at("origins", problem)
        })
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
        let checked = |written: String| match problem(&written) {
            Some(problem) => Err(de::Error::custom(format!("{written:?} {problem}"))),
            None => Ok(written),
        };
        text_list(from)?.into_iter().map(checked).collect::<Result<_, _>>().map(Self)
    }
}

/// Why no page has this origin, and what to write instead; `None` if one can have it.
fn problem(written: &str) -> Option<String> {
    if written.contains('*') {
        return Some("has a wildcard; name each origin in full, such as https://www.example.com".to_owned());
    }
    let is_host = |host: Host<&str>| match host {
        Host::Domain(name) => name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    let has_origin = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some_and(is_host);
    let origin = Url::parse(written).ok().filter(has_origin).map(|url| url.origin().ascii_serialization());
    match origin {
        Some(origin) if origin == written => None,
        Some(origin) => Some(format!("is not an origin as browsers write it; write {origin}")),
        None => Some("is not an origin as browsers write it, such as https://www.example.com".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(origins: &[&str]) -> Result<Origins, String> {
        serde_json::from_value(serde_json::json!(origins)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for origin in ["https://www.example.com", "https://a.cn:8443", "http://127.0.0.1:7300", "https://[::1]"] {
            assert!(read(&[origin]).unwrap().allows(origin), "{origin}");
        }
        for origin in [
            "*",
            "null",
            "",
            "https://*.example.com",
            "https://www.*.com",
            "https://*",
            "https://.*example.com",
            "https://www.example.com/",
            "https://www.example.com:443",
            "https://WWW.example.com",
            "https://例子.cn",
            "https://user@example.com",
            "https://www.example.com,https://a.cn",
            "https://$host",
            "ftp://example.com",
            "wss://example.com",
            "www.example.com",
            "^https://.*$",
        ] {
            assert!(read(&[origin]).is_err(), "{origin}");
        }
        assert!(read(&["https://*.example.com"]).unwrap_err().contains("wildcard"));
    }

    #[test]
    fn an_origin_that_is_nearly_right_is_named_as_it_should_be() {
        for (written, right) in [
            ("https://www.example.com/", "https://www.example.com"),
            ("https://www.example.com:443", "https://www.example.com"),
            ("https://WWW.Example.com", "https://www.example.com"),
            ("HTTPS://www.example.com/login?next=/", "https://www.example.com"),
            ("http://www.example.com:8080/", "http://www.example.com:8080"),
            ("https://例子.cn", "https://xn--fsqu00a.cn"),
        ] {
            let problem = read(&[written]).unwrap_err();
            assert!(problem.ends_with(&format!("; write {right}")), "{problem}");
        }
    }

    #[test]
    fn origins_that_are_none_or_unencrypted_are_found() {
        assert!(Origins::default().check_some().unwrap_err().to_string().starts_with("origins: must name"));
        let origins = ["https://a.cn", "http://a.cn", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:80"];
        let origins: Origins = origins.into_iter().map(str::to_owned).collect();
        let warnings: Vec<_> = origins.warnings().map(|warning| warning.to_string()).collect();
        assert!(matches!(&*warnings, [one] if one.starts_with("origins: pages of http://a.cn come")), "{warnings:?}");
    }
}
