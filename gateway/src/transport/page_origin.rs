//! From pages of which origins a request may come, and what that says of its page. No I/O.
//!
//! | the request has | it may pass | its page is of |
//! |---|---|---|
//! | an `Origin` | if that is one of ours | that origin |
//! | none, and `Sec-Fetch-Site: cross-site` | never | |
//! | none, and `Sec-Fetch-Site: same-site` | if its `Referer` is of one of our origins | the `Referer`'s origin |
//! | none, and no or another `Sec-Fetch-Site` | always | the `Referer`'s origin, if that is one of ours |
//!
//! Same-origin GETs and programs send no `Origin`, and neither do images. Without the third row, an image on another host
//! of the same site could fill the browser with our cookies.
//!
//! See docs/decisions/051-a-live-key-is-never-evicted.md.
//!
//! What a phone is told is therefore always the host of a configured origin, and never a text of the request.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use scenecast_service::config::Origins;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request's extension: one of our origins, which the page names that sent the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageOrigin(pub(super) String);

/// Why the page that a request comes from may not use this gateway.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OriginForbiddenError {
    /// Its origin is none of ours.
    #[error("pages of this origin may not open scenes here; the gateway's operator can add it to origins")]
    NotListed,
    /// It has none: the browser says `null`.
    #[error("a page without an origin of its own, such as a file or a sandboxed frame, may not open scenes here")]
    Opaque,
    /// It doesn't say. All that is known is that it isn't of the gateway's own origin.
    #[error("a page of another origin may not have the browser send this request")]
    OtherSite,
}

/// The origin of the page that sent a request with these headers, if the page tells it.
pub(super) fn page_origin(origins: &Origins, headers: &HeaderMap) -> Result<Option<PageOrigin>, OriginForbiddenError> {
    let allowed = |origin: &str| origins.allows(origin).then(|| PageOrigin(origin.to_owned()));
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(origin) = headers.get(header::ORIGIN) {
        let forbidden = if origin == "null" { OriginForbiddenError::Opaque } else { OriginForbiddenError::NotListed };
        return text(header::ORIGIN).and_then(allowed).map(Some).ok_or(forbidden);
    }
    let referer = text(header::REFERER).and_then(origin_part).and_then(allowed);
    match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        Some(b"cross-site") => Err(OriginForbiddenError::OtherSite),
        Some(b"same-site") if referer.is_none() => Err(OriginForbiddenError::OtherSite),
        _ => Ok(referer),
    }
}

/// The origin of an address, as browsers write both.
fn origin_part(address: &str) -> Option<&str> {
    let host = address.find("://")? + "://".len();
    let end = address[host..].find(['/', '?', '#']).map_or(address.len(), |end| host + end);
    Some(&address[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://www.example.com";
    const OUR_PORT: &str = "https://www.example.com:8443";
    const OUR_APP: &str = "capacitor://localhost";

    fn origin_of(headers: &[(&str, &[u8])]) -> Result<Option<String>, OriginForbiddenError> {
        let origins: Origins = [OURS, OUR_PORT, OUR_APP].map(str::to_owned).into_iter().collect();
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), (*value).try_into().unwrap())).collect();
        page_origin(&origins, &headers).map(|origin| origin.map(|PageOrigin(origin)| origin))
    }

    #[test]
    fn an_origin_that_is_not_ours_is_refused() {
        for ours in [OURS, OUR_PORT, OUR_APP] {
            assert_eq!(origin_of(&[("origin", ours.as_bytes())]), Ok(Some(ours.to_owned())));
        }
        for other in [
            &b"null"[..],
            b"",
            b"https://evil.example",
            b"http://www.example.com",
            b"https://www.example.com:443",
            b"https://www.example.com.evil.example",
            b"https://WWW.example.com",
            b"https://\xe4\xbd\xa0.example",
        ] {
            let why = if other == b"null" { OriginForbiddenError::Opaque } else { OriginForbiddenError::NotListed };
            let with_referer = [("origin", other), ("referer", b"https://www.example.com/")];
            for headers in [&with_referer[..1], &with_referer] {
                assert_eq!(origin_of(headers).as_ref(), Err(&why), "{}", other.escape_ascii());
            }
        }
    }

    #[test]
    fn a_referer_tells_the_page_only_if_it_is_of_one_of_our_origins() {
        for (referer, origin) in [
            ("https://www.example.com", OURS),
            ("https://www.example.com/", OURS),
            ("https://www.example.com/login?next=https://evil.example/", OURS),
            ("https://www.example.com?next=/", OURS),
            ("https://www.example.com:8443/login#top", OUR_PORT),
        ] {
            assert_eq!(origin_of(&[("referer", referer.as_bytes())]), Ok(Some(origin.to_owned())), "{referer}");
        }
        for referer in [
            &b""[..],
            b"x://Any-text-at-all",
            b"x://www.example.com/",
            b"/login",
            b"www.example.com",
            b"https:www.example.com",
            b"http://www.example.com/",
            b"https://www.example.com:444/",
            b"https://evil.example/https://www.example.com/",
            b"https://www.example.com@evil.example/",
            b"https://user:secret@www.example.com/",
            b"https://www.example.com.evil.example/",
            b"https://www.example.com\\@evil.example/x",
            b"https://www.ex\xc3\xa4mple.com/",
            b"https://www.xn--exmple-cua.com/",
            b"https://www.example.com%2eevil.example/",
        ] {
            assert_eq!(origin_of(&[("referer", referer)]), Ok(None), "{}", referer.escape_ascii());
        }
    }

    #[test]
    fn an_image_on_another_host_of_the_site_is_refused() {
        let site = |site: &'static [u8]| ("sec-fetch-site", site);
        let referer = |page: &'static [u8]| ("referer", page);
        for (headers, passes) in [
            (&[site(b"cross-site")][..], false),
            (&[site(b"cross-site"), referer(b"https://www.example.com/")], false),
            (&[site(b"same-site")], false),
            (&[site(b"same-site"), referer(b"https://blog.example.com/")], false),
            (&[site(b"same-site"), referer(b"https://www.example.com:8443/")], true),
            (&[site(b"same-site"), ("origin", OUR_PORT.as_bytes())], true),
            (&[site(b"same-origin")], true),
            (&[site(b"none")], true),
            (&[], true),
        ] {
            assert_eq!(origin_of(headers).is_ok(), passes, "{headers:?}");
        }
    }
}
