//! The web origins whose pages may open scenes: of the web, and of web views in apps. No I/O.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use serde::{Deserialize, de};
use url::{Host, Url};

use super::{
    error::{ConfigError, ConfigWarning},
    types::{is_exposed, text_list},
};

/// Schemes whose pages have no origin, or that have no pages.
const OTHER_SCHEMES: [&str; 21] = [
    "about", "amqp", "amqps", "blob", "data", "ftp", "ftps", "grpc", "grpcs", "h2c", "ldap", "ldaps", "mailto",
    "mysql", "sftp", "smtp", "ssh", "tcp", "tls", "udp", "unix",
];
/// How more of them begin, such as `rediss-sentinel`.
const OTHER_FAMILIES: [&str; 4] = ["javascript", "postgres", "redis", "valkey"];

/// The web origins whose pages may open scenes. In configuration: a list, or one text with commas. Clones are the same
/// list: middleware is cloned several times for each request.
#[derive(Debug, Clone, Default)]
pub struct Origins(Arc<BTreeSet<String>>);

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

    /// Origins that others than the site can speak for: an attacker on the network, or another app. Their scheme may be a
    /// slip, too.
    pub fn warnings(&self) -> impl Iterator<Item = ConfigWarning> {
        self.0.iter().filter_map(|origin| Some(ConfigWarning::at("origins", doubt(origin)?)))
    }
}

impl Extend<String> for Origins {
    fn extend<I: IntoIterator<Item = String>>(&mut self, origins: I) {
        Arc::make_mut(&mut self.0).extend(origins);
    }
}

impl FromIterator<String> for Origins {
    fn from_iter<I: IntoIterator<Item = String>>(origins: I) -> Self {
        Self(Arc::new(origins.into_iter().collect()))
    }
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let origins = text_list(from)?;
        let problems = origins.iter().filter_map(|written| Some(format!("{:?} {}", shown(written), problem(written)?)));
        let problems: Vec<_> = problems.collect();
        if problems.is_empty() {
            Ok(origins.into_iter().collect())
        } else {
            Err(de::Error::custom(problems.join("; ")))
        }
    }
}

/// What an error shows of a text that is no origin: nothing that may be a password or a token in an address.
fn shown(written: &str) -> Cow<'_, str> {
    let (scheme, rest) = written.split_once("://").map_or(("", written), |(scheme, rest)| (scheme, rest));
    let hidden_from = if rest.contains('@') { Some(0) } else { rest.find(['?', '#']) };
    let Some(hidden_from) = hidden_from else { return Cow::Borrowed(written) };
    let separator = if scheme.is_empty() { "" } else { "://" };
    Cow::Owned(format!("{scheme}{separator}{}…", &rest[..hidden_from]))
}

/// What is doubtful about an origin that a page can have.
fn doubt(origin: &str) -> Option<String> {
    if !origin.starts_with("http://") && !origin.starts_with("https://") {
        return Some(format!(
            "{origin} is an origin of pages inside apps, and other apps may have the same; if it is a website, it begins \
             with https://"
        ));
    }
    let is_exposed = Url::parse(origin).is_ok_and(|url| is_exposed(&url));
    is_exposed
        .then(|| format!("pages of {origin} come unencrypted, so whoever changes them on the way gets their logins"))
}

/// What of an origin an operator may mean, when it isn't one.
const NO_ORIGIN: &str = "is not an origin as browsers write it, such as https://www.example.com";

/// Why no page has this origin, and what to write instead; `None` if one can have it.
fn problem(written: &str) -> Option<String> {
    if written.contains('*') {
        return Some("has a wildcard; name each origin in full, such as https://www.example.com".to_owned());
    }
    if written == "null" || written.starts_with("file:") {
        return Some(
            "is no origin of your own: browsers write null for every page from a file, a sandboxed frame or a data: \
             URL; have the app load its page from an origin, such as capacitor://localhost or https://localhost"
                .to_owned(),
        );
    }
    let Some((scheme, authority)) = written.split_once("://") else {
        let with_scheme = as_browsers_write_it(&format!("https://{written}"));
        return Some(with_scheme.map_or(NO_ORIGIN.to_owned(), |origin| format!("lacks its scheme; write {origin}")));
    };
    match scheme {
        "http" | "https" => match as_browsers_write_it(written) {
            Some(origin) if origin == written => None,
            Some(origin) => Some(format!("is not written as browsers write it; write {origin}")),
            None => Some(NO_ORIGIN.to_owned()),
        },
        "ws" | "wss" => Some(advice(
            "is the address of a socket; write the origin of the page that opens it, such as",
            &format!("{}://{authority}", scheme.replacen("ws", "http", 1)),
        )),
        _ if is_slip_for_https(scheme) => {
            Some(advice("has a scheme of no page; write", &format!("https://{authority}")))
        }
        _ if is_app_origin(scheme, authority) => None,
        _ => Some(NO_ORIGIN.to_owned()),
    }
}

/// What to write: the origin of this address, if it has one.
fn advice(text: &str, address: &str) -> String {
    as_browsers_write_it(address).map_or(NO_ORIGIN.to_owned(), |origin| format!("{text} {origin}"))
}

/// The origin of a page with this address of the web, if it is one.
fn as_browsers_write_it(address: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let is_host = match url.host()? {
        Host::Domain(name) => name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    is_host.then(|| url.origin().ascii_serialization())
}

/// Whether somebody meant `http` or `https`, as in `htps` and `htttp`: no app has a scheme of only these letters.
fn is_slip_for_https(scheme: &str) -> bool {
    scheme.len() > 2 && scheme.bytes().all(|letter| b"htps".contains(&letter.to_ascii_lowercase()))
}

/// Whether nobody's page has an origin with this scheme.
fn is_of_no_page(scheme: &str) -> bool {
    OTHER_SCHEMES.contains(&scheme) || OTHER_FAMILIES.iter().any(|family| scheme.starts_with(family))
}

/// Whether a page in an app's web view, or of a browser's extension, can have this origin, such as
/// `capacitor://localhost`. Unlike hosts of the web, its host is whatever the app writes.
fn is_app_origin(scheme: &str, authority: &str) -> bool {
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.'));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "1"));
    let is_host =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    is_scheme && is_host && port.parse::<u16>().is_ok() && !is_of_no_page(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(origins: &[&str]) -> Result<Origins, String> {
        serde_json::from_value(serde_json::json!(origins)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for origin in [
            "https://www.example.com",
            "https://a.cn:8443",
            "http://127.0.0.1:7300",
            "https://[::1]",
            "https://xn--fsqu00a.cn",
            // Web views of apps, and extensions of browsers.
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "https://tauri.localhost",
            "http://tauri.localhost",
            "http://localhost",
            "https://localhost",
            "capacitor-electron://-",
            "app://.",
            "my.app+1://Main:8080",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "safari-web-extension://6A3D1F0E-0000-4000-8000-000000000000",
        ] {
            assert!(read(&[origin]).unwrap().allows(origin), "{origin}");
        }
        for origin in [
            "",
            "https://",
            "https://www.example.com,https://a.cn",
            "https://$host",
            "ftp://example.com",
            "redis://h",
            "rediss-sentinel://h:26379",
            "valkey://h",
            "tcp://10.0.0.1:80",
            "postgres://db",
            "javascript://a",
            "^https://.*",
            "://localhost",
            "1app://localhost",
            "App://localhost",
            "capacitor://",
            "capacitor://localhost/",
            "capacitor://user@localhost",
            "capacitor://localhost:port",
            "capacitor://local host",
            "data:text/html,hello",
        ] {
            let error = read(&[origin]).unwrap_err();
            assert!(error.contains(NO_ORIGIN) || error.contains("wildcard"), "{origin}: {error}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_what_to_write() {
        for (origin, advice) in [
            ("*", "name each origin in full, such as https://www.example.com"),
            ("https://*.example.com", "name each origin in full"),
            ("capacitor://*", "name each origin in full"),
            ("null", "browsers write null for every page from a file"),
            ("file://", "such as capacitor://localhost"),
            ("file:///android_asset/www/index.html", "such as capacitor://localhost"),
            ("ws://localhost:8080", "such as http://localhost:8080"),
            ("wss://example.com", "such as https://example.com"),
            ("www.example.com", "write https://www.example.com"),
            ("localhost:3000", "write https://localhost:3000"),
            ("//www.example.com", "write https://www.example.com"),
            ("https://www.example.com/", "write https://www.example.com"),
            ("https://www.example.com/login?next=/", "write https://www.example.com"),
            ("https://www.example.com:443", "write https://www.example.com"),
            ("https://WWW.example.com", "write https://www.example.com"),
            ("https://例子.cn", "write https://xn--fsqu00a.cn"),
            ("https://user@example.com", "write https://example.com"),
            ("htps://www.example.com", "write https://www.example.com"),
            ("htttp://localhost:3000", "write https://localhost:3000"),
            ("httpss://a.cn", "write https://a.cn"),
            ("hhtps://a.cn", "write https://a.cn"),
            ("ttps://a.cn", "write https://a.cn"),
            ("HTPS://a.cn", "write https://a.cn"),
        ] {
            let error = read(&[origin]).unwrap_err();
            assert!(error.contains(advice) && error.contains(&format!("{:?}", shown(origin))), "{origin}: {error}");
        }
    }

    #[test]
    fn a_password_or_a_token_in_an_address_is_not_shown() {
        for (origin, said) in [
            (
                "https://user:hush@www.example.com",
                "\"https://…\" is not written as browsers write it; write https://www.",
            ),
            ("https://www.example.com/login?token=hush", "\"https://www.example.com/login…\" is not written as"),
            ("https://www.example.com#hush", "\"https://www.example.com…\" is not written as"),
            ("https://www.example.com/?mail=a@hush.cn", "\"https://…\" is not written as"),
            ("https://user:hu?hush@www.example.com", "\"https://…\" is not an origin"),
            ("wss://user:hush@www.example.com/x?token=hush", "such as https://www.example.com"),
            ("htps://user:hush@www.example.com", "write https://www.example.com"),
            ("htps://www.example.com?token=hush", "write https://www.example.com"),
            ("user:hush@www.example.com", "\"…\" lacks its scheme; write https://www.example.com"),
            ("redis://:hush@redis:6379", "\"redis://…\" is not an origin"),
            ("capacitor://user:hush@localhost", "\"capacitor://…\" is not an origin"),
            ("https://user:hush@*.example.com", "\"https://…\" has a wildcard"),
            ("file://user:hush@host/", "\"file://…\" is no origin of your own"),
        ] {
            let error = read(&[origin]).unwrap_err();
            assert!(error.contains(said) && !error.contains("hush"), "{origin}: {error}");
        }
    }

    #[test]
    fn each_origin_that_is_none_is_named() {
        let error = read(&["htps://a.cn", "https://b.cn", "redis://c"]).unwrap_err();
        assert!(error.contains("a.cn\"") && error.contains("redis://c") && !error.contains("b.cn"), "{error}");
    }

    #[test]
    fn origins_that_are_none_or_unencrypted_are_found() {
        assert!(Origins::default().check_some().unwrap_err().to_string().starts_with("origins: must name"));
        let origins = ["https://a.cn", "http://a.cn", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:80"];
        let origins: Origins = origins.into_iter().map(str::to_owned).collect();
        let warnings: Vec<_> = origins.warnings().map(|warning| warning.to_string()).collect();
        assert!(matches!(&*warnings, [one] if one.starts_with("origins: pages of http://a.cn come")), "{warnings:?}");
        // The second is a slip that may be an app's scheme.
        for origin in ["capacitor://localhost", "htrps://a.cn", "chrome-extension://abcdef"] {
            let origins: Origins = [origin.to_owned()].into_iter().collect();
            let warnings: Vec<_> = origins.warnings().map(|warning| warning.to_string()).collect();
            assert!(matches!(&*warnings, [one] if one.contains(origin) && one.contains("begins with https://")));
        }
    }
}
