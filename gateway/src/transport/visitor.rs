//! What a request tells of the page that sent it. The phone shows it before the user confirms. No I/O.

use axum::{extract::Request, http::header};
use scenecast_scene::PageInfo;
use scenecast_service::http::ClientAddress;
use url::Url;

/// The longest host name, in bytes (RFC 1035).
const MAX_HOST_BYTES: usize = 253;

/// The page that sent this request.
pub(crate) fn page_of(request: &Request) -> PageInfo {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    PageInfo {
        // Same-origin GETs have no Origin, but a Referer.
        host: header(header::ORIGIN).or_else(|| header(header::REFERER)).and_then(host_of),
        address: request.extensions().get::<ClientAddress>().map(|client| client.0),
        browser: header(header::USER_AGENT).and_then(browser_name),
        ..PageInfo::default()
    }
}

fn host_of(address: &str) -> Option<String> {
    let address = Url::parse(address).ok()?;
    address.host_str().filter(|host| host.len() <= MAX_HOST_BYTES).map(ToOwned::to_owned)
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
            ("curl/8.0", None),
            ("", None),
        ] {
            assert_eq!(browser_name(user_agent).as_deref(), words, "{user_agent}");
        }
    }

    #[test]
    fn the_host_comes_from_origin_or_referer() {
        let of = |name, value: &str| page_of(&Request::builder().header(name, value).body(Body::empty()).unwrap()).host;
        assert_eq!(of("origin", "https://www.example.com:8443").as_deref(), Some("www.example.com"));
        assert_eq!(of("referer", "https://www.example.com/login?next=/").as_deref(), Some("www.example.com"));
        assert_eq!(of("origin", "https://例子.cn").as_deref(), None);
        assert_eq!(of("origin", "null"), None);
        assert_eq!(page_of(&Request::new(Body::empty())), PageInfo::default());
    }
}
