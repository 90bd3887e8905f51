//! What a request tells of its client and page. The phone shows it before the user confirms. No I/O.

use axum::{
    extract::{Query, Request},
    http::header,
};
use scenecast_scene::{Language, PageInfo};
use scenecast_service::http::ClientAddress;
use serde::Deserialize;

use super::page_origin::PageOrigin;
use crate::scenes::{Locale, Visitor};

/// Who sent this request.
pub(crate) fn visitor_of(request: &Request) -> Visitor {
    let client = request.extensions().get::<ClientAddress>().copied();
    let user_agent = request.headers().get(header::USER_AGENT);
    let page = PageInfo {
        host: request.extensions().get().and_then(host_of),
        address: client.and_then(ClientAddress::known),
        browser: user_agent.and_then(|value| browser_name(&String::from_utf8_lossy(value.as_bytes()))),
        ..PageInfo::default()
    };
    Visitor { limited_as: client.map(ClientAddress::limited_as), page }
}

/// The same for a page that may come back to a scene: what it said when it opened the scene isn't stored at the gateway, so
/// it says its language again, in case the scene has to be opened again.
pub(super) fn returning_visitor_of(request: &Request) -> Visitor {
    let Visitor { limited_as, page } = visitor_of(request);
    Visitor { limited_as, page: PageInfo { language: language_of(request), ..page } }
}

/// The language that the query names, as for a WebSocket, where a script can set no header; otherwise the first of
/// `Accept-Language`.
fn language_of(request: &Request) -> Option<Language> {
    #[derive(Deserialize)]
    struct LocaleQuery {
        locale: String,
    }
    let in_query = Query::<LocaleQuery>::try_from_uri(request.uri()).map(|Query(query)| query.locale);
    let in_header = || {
        let accepted = request.headers().get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        accepted.split([',', ';']).next().map(|tag| tag.trim().to_owned())
    };
    let locale = in_query.ok().or_else(in_header)?;
    Locale::try_from(locale).ok().map(|Locale(language)| language)
}

/// The host of an origin, which is written as browsers write it.
fn host_of(PageOrigin(origin): &PageOrigin) -> Option<String> {
    let (_, host_and_port) = origin.split_once("://")?;
    // Colons in brackets belong to an address of IPv6.
    let port = host_and_port.rfind(':').filter(|at| !host_and_port[*at..].contains(']'));
    let host = &host_and_port[..port.unwrap_or(host_and_port.len())];
    (!host.is_empty()).then(|| host.to_owned())
}

/// The names of browser and system, such as `Edge, Windows`. No text of the request is passed on.
fn browser_name(user_agent: &str) -> Option<String> {
    let first = |words: &[(&str, &'static str)]| {
        words.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, word)| *word)
    };
    // The order matters: user agents of the earlier ones also contain the marks of later ones.
    let browser = first(&[
        ("MicroMessenger/", "WeChat"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("QQBrowser/", "QQ Browser"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Windows", "Windows"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("HarmonyOS", "HarmonyOS"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (None, None) => None,
        (Some(word), None) | (None, Some(word)) => Some(word.to_owned()),
        (Some(browser), Some(system)) => Some(format!("{browser}, {system}")),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_host_is_an_origin_without_scheme_and_port() {
        for (origin, host) in [
            ("https://www.example.com", Some("www.example.com")),
            ("http://127.0.0.1:8080", Some("127.0.0.1")),
            ("http://[::1]", Some("[::1]")),
            ("http://[2001:db8::1]:8080", Some("[2001:db8::1]")),
            ("capacitor://localhost", Some("localhost")),
            ("app://", None),
            ("", None),
        ] {
            assert_eq!(host_of(&PageOrigin(origin.to_owned())).as_deref(), host, "{origin}");
            assert_eq!(url::Url::parse(origin).ok().and_then(|url| Some(url.host_str()?.to_owned())).as_deref(), host);
        }
    }

    #[test]
    fn a_user_agent_becomes_the_names_of_browser_and_system() {
        for (user_agent, words) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
                 Safari/537.36 Edg/142.0.0.0",
                Some("Edge, Windows"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 \
                 Safari/605.1.15",
                Some("Safari, macOS"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile \
                 Safari/537.36",
                Some("Chrome, Android"),
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Some("Firefox, Linux")),
            ("Chrome/142.0 Any-text-at-all \u{fffd}", Some("Chrome")),
            ("curl/8.0", None),
            ("", None),
        ] {
            assert_eq!(browser_name(user_agent).as_deref(), words, "{user_agent}");
        }
    }

    #[test]
    fn a_page_that_comes_back_says_its_language_in_the_query_or_in_a_header() {
        for (query, accepted, language) in [
            ("?heartbeat=1&locale=zh-CN", "en", Some(Language::Zh)),
            ("?locale=zh_CN", "", Some(Language::Zh)),
            ("?after=0&wait=5", "zh-CN,zh;q=0.9,en;q=0.8", Some(Language::Zh)),
            ("", "en;q=0.5", Some(Language::En)),
            ("", " de ", Some(Language::En)),
            ("", "*", None),
            ("", "", None),
            ("?locale=", "zh", None),
            ("?locale=%3Cscript%3E", "zh", None),
            ("", "\u{4f60}", None),
        ] {
            let request = Request::builder().uri(format!("/v1/ws{query}")).header("accept-language", accepted);
            let request = request.body(Body::empty()).unwrap();
            assert_eq!(returning_visitor_of(&request).page.language, language, "{query} {accepted}");
            assert_eq!(visitor_of(&request).page.language, None, "who opens a scene says it there");
        }
    }

    #[test]
    fn the_host_is_that_of_the_pages_origin_and_never_a_text_of_the_request() {
        let mut request = Request::builder()
            .header("host", "stranger.example")
            .header("origin", "https://stranger.example")
            .header("referer", "x://Any-text-at-all")
            .body(Body::empty())
            .unwrap();
        assert_eq!(visitor_of(&request).page, PageInfo::default());
        request.extensions_mut().insert(PageOrigin("https://www.example.com:8443".to_owned()));
        assert_eq!(visitor_of(&request).page.host.as_deref(), Some("www.example.com"));
    }

    #[test]
    fn an_address_that_is_not_the_clients_is_not_told_and_still_limited() {
        let proxy = [10, 0, 0, 1].into();
        for (client, told) in [
            (ClientAddress::Known([203, 0, 113, 9].into()), Some([203, 0, 113, 9].into())),
            (ClientAddress::Proxy(proxy), None),
            (ClientAddress::Unreadable { proxy }, None),
        ] {
            let mut request = Request::new(Body::empty());
            request.extensions_mut().insert(client);
            let visitor = visitor_of(&request);
            assert_eq!((visitor.page.address, visitor.limited_as), (told, Some(client.limited_as())), "{client:?}");
        }
    }
}
