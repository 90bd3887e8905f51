//! The cookies that tie a scene to one browser. No I/O.
//!
//! A page of these routes can't keep its scene's key, so its browser does: in one `HttpOnly` cookie for each id that
//! a page chose, named by the id's digest.
//!
//! See docs/decisions/013-a-chosen-id-alone-finds-nothing.md and
//! docs/decisions/052-https-is-what-a-trusted-proxy-says.md.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, CookieBuilder, SameSite, time};
use scenecast_scene::Grant;
use scenecast_service::http::ForwardedHttps;
use sha2::{Digest, Sha256};

/// The prefix of our cookies' names.
const PREFIX: &str = "scenecast.";
/// With this before a name, browsers refuse the cookie from other hosts of the domain and from connections without
/// TLS. Otherwise an attacker could plant a key that the attacker knows.
const HOST_PREFIX: &str = "__Host-";
/// The name of the cookie with a grant, which a page sets.
const GRANT_NAME: &str = "scenecast_grant";
/// The most cookies that one answer deletes. More might exceed what a proxy takes as headers.
const MAX_DELETED: usize = 16;

/// The name of the cookie for an id on a route.
pub(super) fn name(route: &str, id: &str) -> String {
    let digest = Sha256::new().chain_update(route).chain_update([0]).chain_update(id).finalize();
    format!("{PREFIX}{route}.{}", URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// The part of a cookie's name that is the same for all ids of a route.
fn route_part(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(route, _)| route)
}

/// How a browser reached us, and so what its cookies are protected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CookieScheme {
    /// A trusted proxy says that it was by HTTPS: cookies are `Secure` and `__Host-`.
    Https,
    Http,
}

impl CookieScheme {
    pub(super) fn of(by_https: Option<&ForwardedHttps>) -> Self {
        if by_https.is_some() { Self::Https } else { Self::Http }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Https => HOST_PREFIX,
            Self::Http => "",
        }
    }

    fn build(self, name: &str, value: String, life: Duration) -> CookieBuilder<'static> {
        Cookie::build((format!("{}{name}", self.prefix()), value))
            .path("/")
            .max_age(time::Duration::seconds(i64::try_from(life.as_secs()).unwrap_or(i64::MAX)))
            .same_site(SameSite::Lax)
            .secure(self == Self::Https)
    }

    /// The cookie that a page sets itself: the grant, for the site's backend to redeem. Scripts can read it, so it should
    /// live no longer than the grant.
    pub(super) fn grant_cookie(self, grant: &Grant, life: Duration) -> String {
        self.build(GRANT_NAME, grant.to_string(), life).build().to_string()
    }
}

/// A cookie of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnCookie {
    /// Its name without [`HOST_PREFIX`].
    pub(super) name: String,
    pub(super) value: String,
}

impl OwnCookie {
    /// The cookie in a pair of the header `Cookie`, if it is ours.
    fn parse(pair: &[u8], scheme: CookieScheme) -> Option<Self> {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        // The blanks that browsers take off, and no others. A name that begins with U+2000 has no `__Host-` for a
        // browser, so a neighbour in the domain can plant it.
        let [name, value] = [name, value].map(|text| text.trim_matches([' ', '\t']));
        let name = name.strip_prefix(scheme.prefix()).filter(|name| name.starts_with(PREFIX))?;
        Some(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// How much it takes of the header `Cookie`, at most.
    pub(super) fn bytes(&self) -> usize {
        HOST_PREFIX.len() + self.name.len() + "=; ".len() + self.value.len()
    }

    /// Whether it is for an id on the route of the cookie with this name.
    pub(super) fn is_of_route_of(&self, name: &str) -> bool {
        route_part(&self.name) == route_part(name)
    }
}

/// Our cookies in a request.
#[derive(Debug)]
pub(super) struct Cookies {
    scheme: CookieScheme,
    own: Vec<OwnCookie>,
}

impl Cookies {
    /// The cookies in these headers of a request. A pair that can't be read is skipped: another application of the host,
    /// or a neighbour in its domain, may have set it.
    pub(super) fn from_headers(headers: &HeaderMap, scheme: CookieScheme) -> Self {
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        Self { scheme, own: pairs.filter_map(|pair| OwnCookie::parse(pair, scheme)).collect() }
    }

    /// How the browser that sent them reached us.
    pub(super) fn scheme(&self) -> CookieScheme {
        self.scheme
    }

    /// The values of the cookies with this name. There may be several: somebody may have planted one for another path.
    pub(super) fn values_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.own.iter().filter(move |cookie| cookie.name == name).map(|cookie| cookie.value.as_str())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.own.iter().map(|cookie| cookie.value.as_str())
    }

    /// The cookies with other names than this.
    pub(super) fn others<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a OwnCookie> {
        self.own.iter().filter(move |cookie| cookie.name != name)
    }

    /// The headers by which the browser keeps this cookie for so long, and deletes at most 16 of those.
    pub(super) fn set(&self, name: &str, value: &str, life: Duration, deleted: &[String]) -> HeaderMap {
        let deleted = deleted.iter().take(MAX_DELETED).map(|name| self.set_one(name, "", Duration::ZERO));
        std::iter::once(self.set_one(name, value, life)).chain(deleted).map(|set| (header::SET_COOKIE, set)).collect()
    }

    fn set_one(&self, name: &str, value: &str, life: Duration) -> HeaderValue {
        let cookie = self.scheme.build(name, value.to_owned(), life).http_only(true).build();
        HeaderValue::from_str(&cookie.to_string()).expect("base64url, digits and dots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(header: &[u8], scheme: CookieScheme) -> Cookies {
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(header).unwrap())]);
        Cookies::from_headers(&headers, scheme)
    }

    fn set_cookies(cookies: &Cookies, deleted: &[String]) -> Vec<String> {
        let headers = cookies.set("scenecast.new", "value", Duration::from_secs(60), deleted);
        headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    fn first<'a>(cookies: &'a Cookies, name: &str) -> Option<&'a str> {
        cookies.values_of(name).next()
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
        let cookies = cookies(b"session=x; scenecast.a=1; broken; scenecast.b=2; scenecast.a=3", CookieScheme::Http);
        assert_eq!(cookies.values_of("scenecast.a").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(cookies.values().collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(first(&cookies, "session"), None);
    }

    #[test]
    fn a_cookie_that_cant_be_read_hides_none_beside_it() {
        for beside in [
            &b"theme=\xe4\xbd\xa0"[..],
            b"theme=\xff",
            b"\xff=1",
            b"\xff",
            b"",
            b"=",
            b"=;;;=",
            b"a=\"b",
            b"a=%ff",
            b"scenecast.b=\xff",
            b"scenecast.\xff=1",
            b"\t",
        ] {
            for header in [[beside, b"; scenecast.a=1"].concat(), [b"scenecast.a=1; ", beside].concat()] {
                let read = cookies(&header, CookieScheme::Http);
                assert_eq!(read.values().collect::<Vec<_>>(), ["1"], "{}", header.escape_ascii());
            }
        }
    }

    #[test]
    fn a_cookie_is_hidden_from_scripts_and_other_sites() {
        let set = set_cookies(&cookies(b"", CookieScheme::Http), &[]);
        assert_eq!(set, ["scenecast.new=value; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"]);
    }

    #[test]
    fn with_https_no_other_host_can_plant_a_cookie() {
        let planted = cookies(b"scenecast.a=planted; __Host-scenecast.a=own", CookieScheme::Https);
        assert_eq!(planted.values().collect::<Vec<_>>(), ["own"]);
        let set = set_cookies(&cookies(b"", CookieScheme::Https), &["scenecast.old".to_owned()]);
        assert_eq!(
            set,
            [
                "__Host-scenecast.new=value; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60",
                "__Host-scenecast.old=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
            ]
        );
    }

    #[test]
    fn a_blank_that_browsers_leave_in_a_name_is_a_part_of_it() {
        // Everything that Unicode calls white space and HTTP lets through, but space and tab.
        for blank in
            ["\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{200a}", "\u{2028}", "\u{202f}", "\u{205f}", "\u{3000}"]
        {
            for header in [format!("{blank}__Host-scenecast.a=planted"), format!("__Host-scenecast.a{blank}=planted")] {
                let planted = cookies(format!("{header}; __Host-scenecast.a=own").as_bytes(), CookieScheme::Https);
                assert_eq!(planted.values_of("scenecast.a").collect::<Vec<_>>(), ["own"], "{header:?}");
            }
        }
        let spaced = cookies(b" \t__Host-scenecast.a = own \t", CookieScheme::Https);
        assert_eq!(first(&spaced, "scenecast.a"), Some("own"));
    }

    #[test]
    fn a_page_sets_the_grant_for_its_own_host_only_where_it_can() {
        let grant = Grant::issue("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap());
        for (scheme, expected) in [
            (CookieScheme::Http, format!("scenecast_grant={grant}; SameSite=Lax; Path=/; Max-Age=120")),
            (CookieScheme::Https, format!("__Host-scenecast_grant={grant}; SameSite=Lax; Secure; Path=/; Max-Age=120")),
        ] {
            assert_eq!(scheme.grant_cookie(&grant, Duration::from_secs(120)), expected);
        }
    }

    #[test]
    fn an_answer_deletes_a_limited_number_of_cookies() {
        let deleted: Vec<String> = (0..1000).map(|n| format!("scenecast.{n}")).collect();
        let set = set_cookies(&cookies(b"", CookieScheme::Http), &deleted);
        assert_eq!(set.len(), 1 + MAX_DELETED);
        assert!(set[1..].iter().all(|cookie| cookie.contains("=; ") && cookie.ends_with("Max-Age=0")), "{set:?}");
    }

    #[test]
    fn a_route_is_known_by_its_cookies_names() {
        let held = cookies(b"scenecast.typed_code.a=1; scenecast.path_socket.a=2; scenecast.=3", CookieScheme::Http);
        let of_route: Vec<_> =
            held.own.iter().filter(|cookie| cookie.is_of_route_of("scenecast.typed_code.b")).collect();
        assert_eq!(of_route, [&held.own[0]]);
        assert_eq!(held.others("scenecast.typed_code.a").count(), 2);
    }

    #[test]
    fn any_header_yields_only_our_own_cookies() {
        bolero::check!().for_each(|header: &[u8]| {
            if HeaderValue::from_bytes(header).is_err() {
                return;
            }
            for (scheme, ours) in [(CookieScheme::Http, "scenecast.a=1"), (CookieScheme::Https, "__Host-scenecast.a=1")]
            {
                let read = cookies(&[header, b";", ours.as_bytes()].concat(), scheme);
                assert!(read.own.iter().all(|cookie| cookie.name.starts_with(PREFIX)));
                assert_eq!(read.own.last().map(|cookie| cookie.value.as_str()), Some("1"));
                let names: Vec<String> = read.own.iter().map(|cookie| cookie.name.clone()).collect();
                assert!(read.set("scenecast.new", "value", Duration::from_secs(60), &names).len() <= names.len() + 1);
            }
        });
    }
}
