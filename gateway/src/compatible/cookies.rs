//! The cookies that tie a scene to one browser. No I/O.
//!
//! A page of these routes can't keep its scene's key, so its browser does: in one `HttpOnly` cookie for each id that
//! a page chose, named by the id's digest.
//!
//! See docs/decisions/013-a-chosen-id-alone-finds-nothing.md.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite, time};
use scenecast_service::http::ForwardedHttps;
use sha2::{Digest, Sha256};

/// The prefix of our cookies' names.
const PREFIX: &str = "scenecast.";
/// With this before a name, browsers refuse the cookie from other hosts of the domain and from connections without
/// TLS. Otherwise an attacker could plant a key that the attacker knows.
const HOST_PREFIX: &str = "__Host-";
/// The most cookies that a browser keeps for one route. Each request carries all of them.
const MAX_PER_ROUTE: usize = 16;

/// The name of the cookie for an id on a route.
pub(super) fn name(route: &str, id: &str) -> String {
    let digest = Sha256::new().chain_update(route).chain_update([0]).chain_update(id).finalize();
    format!("{PREFIX}{route}.{}", URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// The part of a cookie's name that is the same for all ids of a route.
fn route_part(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(route, _)| route)
}

/// Our cookies in a request.
#[derive(Debug)]
pub(super) struct Cookies {
    by_https: bool,
    /// Names without [`HOST_PREFIX`], and values.
    pairs: Vec<(String, String)>,
}

impl Cookies {
    /// The cookies in these headers of a request.
    pub(super) fn from_headers(headers: &HeaderMap, by_https: Option<&ForwardedHttps>) -> Self {
        let by_https = by_https.is_some();
        let prefix = if by_https { HOST_PREFIX } else { "" };
        let mut pairs: Vec<(String, String)> = vec![];
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        for cookie in texts.flat_map(Cookie::split_parse).filter_map(Result::ok) {
            let Some(name) = cookie.name().strip_prefix(prefix).filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            // Of several cookies with one name, browsers send the most specific first.
            if pairs.iter().all(|(other, _)| other != name) {
                pairs.push((name.to_owned(), cookie.value().to_owned()));
            }
        }
        Self { by_https, pairs }
    }

    /// The value of the cookie with this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(_, value)| value.as_str())
    }

    /// The headers by which the browser keeps this cookie for so long. They delete other cookies whose key has
    /// expired and, beyond the limit, those of the same route that expire first. `expires` tells when a value does.
    pub(super) fn set(
        &self,
        name: &str,
        value: &str,
        life: Duration,
        expires: impl Fn(&str) -> Option<u32>,
    ) -> HeaderMap {
        let others = self.pairs.iter().filter(|(held, _)| held != name);
        let (mut valid, expired): (Vec<_>, Vec<_>) =
            others.map(|(name, value)| (expires(value), name)).partition(|(expires, _)| expires.is_some());
        valid.retain(|(_, other)| route_part(other) == route_part(name));
        valid.sort_by_key(|(expires, _)| *expires);
        valid.truncate((valid.len() + 1).saturating_sub(MAX_PER_ROUTE));
        let deleted = valid.iter().chain(&expired).map(|(_, name)| self.set_one(name, "", Duration::ZERO));
        std::iter::once(self.set_one(name, value, life)).chain(deleted).map(|set| (header::SET_COOKIE, set)).collect()
    }

    fn set_one(&self, name: &str, value: &str, life: Duration) -> HeaderValue {
        let prefix = if self.by_https { HOST_PREFIX } else { "" };
        let cookie = Cookie::build((format!("{prefix}{name}"), value))
            .path("/")
            .max_age(time::Duration::seconds(i64::try_from(life.as_secs()).unwrap_or(i64::MAX)))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.by_https)
            .build();
        HeaderValue::from_str(&cookie.to_string()).expect("base64url, digits and dots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(header: &str, by_https: bool) -> Cookies {
        let headers = HeaderMap::from_iter([(header::COOKIE, header.parse().unwrap())]);
        Cookies::from_headers(&headers, by_https.then_some(&ForwardedHttps))
    }

    fn set_cookies(cookies: &Cookies, expires: impl Fn(&str) -> Option<u32>) -> Vec<String> {
        let headers = cookies.set("scenecast.new", "value", Duration::from_secs(60), expires);
        headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_name_hides_its_id_and_is_the_same_each_time() {
        let name = name("path_socket", "1700000000");
        assert_eq!(name.len(), "scenecast.path_socket.".len() + 22);
        assert_eq!(name, super::name("path_socket", "1700000000"));
        assert_ne!(name, super::name("path_socket", "1700000001"));
        assert_ne!(name, super::name("client_id_socket", "1700000000"));
    }

    #[test]
    fn only_our_cookies_are_read() {
        let cookies = cookies("session=x; scenecast.a=1; broken; scenecast.b=2; scenecast.a=3", false);
        assert_eq!(cookies.get("scenecast.a"), Some("1"));
        assert_eq!(cookies.values().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(cookies.get("session"), None);
    }

    #[test]
    fn a_cookie_is_hidden_from_scripts_and_other_sites() {
        let set = set_cookies(&cookies("", false), |_| None);
        assert_eq!(set, ["scenecast.new=value; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"]);
    }

    #[test]
    fn with_https_no_other_host_can_plant_a_cookie() {
        let planted = cookies("scenecast.a=planted; __Host-scenecast.a=own", true);
        assert_eq!(planted.get("scenecast.a"), Some("own"));
        let set = set_cookies(&cookies("", true), |_| None);
        assert_eq!(set, ["__Host-scenecast.new=value; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60"]);
    }

    #[test]
    fn expired_cookies_are_deleted_and_at_most_16_are_kept() {
        let held: Vec<String> = (0..20).map(|n| format!("scenecast.{n}={n}")).collect();
        let expires = |value: &str| value.parse().ok().filter(|expires| expires % 10 != 0);
        let set = set_cookies(&cookies(&held.join("; "), false), expires);
        let deleted: Vec<&str> = set[1..].iter().map(|cookie| cookie.split_once('=').unwrap().0).collect();
        assert_eq!(deleted, ["scenecast.1", "scenecast.2", "scenecast.3", "scenecast.0", "scenecast.10"]);
        assert!(set[1..].iter().all(|cookie| cookie.contains("=; ") && cookie.ends_with("Max-Age=0")), "{set:?}");
    }

    #[test]
    fn a_route_deletes_no_cookies_of_another_route() {
        let held: Vec<String> =
            (0..16).map(|n| format!("scenecast.{n}=9{n}")).chain(["scenecast.typed_code.a=1".into()]).collect();
        let set = set_cookies(&cookies(&held.join("; "), false), |value| value.parse().ok());
        assert!(set[1..].iter().all(|cookie| !cookie.contains("typed_code")), "{set:?}");
        assert_eq!(set.len(), 2);
    }

    #[test]
    fn a_cookie_that_is_set_again_is_not_deleted() {
        let held: Vec<String> =
            (0..15).map(|n| format!("scenecast.{n}={n}")).chain(["scenecast.new=15".into()]).collect();
        assert_eq!(set_cookies(&cookies(&held.join("; "), false), |value| value.parse().ok()).len(), 1);
    }

    #[test]
    fn any_header_yields_only_our_own_cookies() {
        bolero::check!().for_each(|header: &[u8]| {
            let Ok(header) = HeaderValue::from_bytes(header) else { return };
            let headers = HeaderMap::from_iter([(header::COOKIE, header)]);
            for by_https in [None, Some(&ForwardedHttps)] {
                let cookies = Cookies::from_headers(&headers, by_https);
                assert!(cookies.pairs.iter().all(|(name, _)| name.starts_with(PREFIX)));
                let set = cookies.set("scenecast.new", "value", Duration::from_secs(60), |value| value.parse().ok());
                assert!(set.iter().count() <= cookies.pairs.len() + 1);
            }
        });
    }
}
