//! The cookies that tie a scene to one browser. No I/O.
//!
//! A page of these routes has no place for its scene's key, so its browser keeps it: a cookie for each
//! id that a page chose, named by the id's digest, which no script can read.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite, time};
use scenecast_shared::serve::ByHttps;
use sha2::{Digest, Sha256};

/// What the names of our cookies begin with.
const OURS: &str = "scenecast.";
/// Before a name, makes browsers refuse what another host of the domain, or a connection without
/// TLS, wants to plant: a planted key would be known to whoever planted it.
const HOST_ONLY: &str = "__Host-";
/// The most cookies that a browser keeps of one route: requests grow with each.
const AT_MOST: usize = 16;

/// What a browser's cookie for this id is called, among those of a route.
pub(super) fn name(route: &str, id: &str) -> String {
    let digest = Sha256::new().chain_update(route).chain_update([0]).chain_update(id).finalize();
    format!("{OURS}{route}.{}", URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// The route of the cookie with this name, and what is before it.
fn route(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(route, _)| route)
}

/// Our cookies that a request brings.
#[derive(Debug)]
pub(super) struct Cookies {
    by_https: bool,
    /// Names, without what is before them, and values.
    held: Vec<(String, String)>,
}

impl Cookies {
    /// Those of a request with these headers.
    pub(super) fn of(headers: &HeaderMap, by_https: Option<&ByHttps>) -> Self {
        let by_https = by_https.is_some();
        let before = if by_https { HOST_ONLY } else { "" };
        let mut held: Vec<(String, String)> = vec![];
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        for cookie in texts.flat_map(Cookie::split_parse).filter_map(Result::ok) {
            let Some(name) = cookie.name().strip_prefix(before).filter(|name| name.starts_with(OURS)) else { continue };
            // Of several with one name, browsers send the most specific first.
            if held.iter().all(|(other, _)| other != name) {
                held.push((name.to_owned(), cookie.value().to_owned()));
            }
        }
        Self { by_https, held }
    }

    /// The value of the cookie with this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.held.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    /// All values.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.held.iter().map(|(_, value)| value.as_str())
    }

    /// The headers by which the browser keeps this cookie, for so long. Those that say nothing any more
    /// go, and, beyond the limit, those of its route that end first: `ends` tells when a value's scene does.
    pub(super) fn keep(
        &self,
        name: &str,
        value: &str,
        life: Duration,
        ends: impl Fn(&str) -> Option<u32>,
    ) -> HeaderMap {
        let others = self.held.iter().filter(|(held, _)| held != name);
        let (mut alive, dead): (Vec<_>, Vec<_>) =
            others.map(|(name, value)| (ends(value), name)).partition(|(ends, _)| ends.is_some());
        alive.retain(|(_, other)| route(other) == route(name));
        alive.sort_by_key(|(ends, _)| *ends);
        alive.truncate((alive.len() + 1).saturating_sub(AT_MOST));
        let gone = alive.iter().chain(&dead).map(|(_, name)| self.set(name, "", Duration::ZERO));
        std::iter::once(self.set(name, value, life)).chain(gone).map(|set| (header::SET_COOKIE, set)).collect()
    }

    fn set(&self, name: &str, value: &str, life: Duration) -> HeaderValue {
        let before = if self.by_https { HOST_ONLY } else { "" };
        let cookie = Cookie::build((format!("{before}{name}"), value))
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
        Cookies::of(&headers, by_https.then_some(&ByHttps))
    }

    fn kept(cookies: &Cookies, ends: impl Fn(&str) -> Option<u32>) -> Vec<String> {
        let headers = cookies.keep("scenecast.new", "value", Duration::from_secs(60), ends);
        headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_name_says_nothing_of_its_id_and_is_the_same_each_time() {
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
    fn a_kept_cookie_is_for_no_script_and_no_other_site() {
        let kept = kept(&cookies("", false), |_| None);
        assert_eq!(kept, ["scenecast.new=value; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"]);
    }

    #[test]
    fn by_https_nobody_else_can_plant_one() {
        let planted = cookies("scenecast.a=planted; __Host-scenecast.a=own", true);
        assert_eq!(planted.get("scenecast.a"), Some("own"));
        let kept = kept(&cookies("", true), |_| None);
        assert_eq!(kept, ["__Host-scenecast.new=value; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60"]);
    }

    #[test]
    fn those_that_say_nothing_go_and_the_rest_are_at_most_16() {
        let held: Vec<String> = (0..20).map(|n| format!("scenecast.{n}={n}")).collect();
        let ends = |value: &str| value.parse().ok().filter(|ends| ends % 10 != 0);
        let kept = kept(&cookies(&held.join("; "), false), ends);
        let gone: Vec<&str> = kept[1..].iter().map(|set| set.split_once('=').unwrap().0).collect();
        assert_eq!(gone, ["scenecast.1", "scenecast.2", "scenecast.3", "scenecast.0", "scenecast.10"]);
        assert!(kept[1..].iter().all(|set| set.contains("=; ") && set.ends_with("Max-Age=0")), "{kept:?}");
    }

    #[test]
    fn no_route_drives_anothers_cookies_out() {
        let held: Vec<String> =
            (0..16).map(|n| format!("scenecast.{n}=9{n}")).chain(["scenecast.typed_code.a=1".into()]).collect();
        let kept = kept(&cookies(&held.join("; "), false), |value| value.parse().ok());
        assert!(kept[1..].iter().all(|gone| !gone.contains("typed_code")), "{kept:?}");
        assert_eq!(kept.len(), 2);
    }

    #[test]
    fn a_cookie_that_is_kept_again_is_not_let_go() {
        let held: Vec<String> =
            (0..15).map(|n| format!("scenecast.{n}={n}")).chain(["scenecast.new=15".into()]).collect();
        assert_eq!(kept(&cookies(&held.join("; "), false), |value| value.parse().ok()).len(), 1);
    }

    #[test]
    fn any_header_brings_cookies_of_ours_or_none() {
        bolero::check!().for_each(|header: &[u8]| {
            let Ok(header) = HeaderValue::from_bytes(header) else { return };
            let headers = HeaderMap::from_iter([(header::COOKIE, header)]);
            for by_https in [None, Some(&ByHttps)] {
                let cookies = Cookies::of(&headers, by_https);
                assert!(cookies.held.iter().all(|(name, _)| name.starts_with(OURS)));
                let told = cookies.keep("scenecast.new", "value", Duration::from_secs(60), |value| value.parse().ok());
                assert!(told.iter().count() <= cookies.held.len() + 1);
            }
        });
    }
}
