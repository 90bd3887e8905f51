//! What a request tells of the page behind it, for whoever is asked on the phone. No I/O.

use axum::{extract::Request, http::header};
use scenecast_shared::{scene::Page, serve::ClientAddress};
use url::Url;

/// Longer hosts than this aren't real ones.
const LONGEST_HOST: usize = 253;

/// The page that makes this request.
pub(crate) fn page_of(request: &Request) -> Page {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    Page {
        // A page's own GETs have no Origin, but where they are from.
        host: header(header::ORIGIN).or_else(|| header(header::REFERER)).and_then(host),
        address: request.extensions().get::<ClientAddress>().map(|client| client.0),
        browser: header(header::USER_AGENT).and_then(browser),
        ..Page::default()
    }
}

fn host(address: &str) -> Option<String> {
    let address = Url::parse(address).ok()?;
    address.host_str().filter(|host| host.len() <= LONGEST_HOST).map(ToOwned::to_owned)
}

/// Browser and system, in words that people know. Nothing that a browser made up is passed on.
fn browser(user_agent: &str) -> Option<String> {
    let first = |words: &[(&str, &'static str)]| {
        words.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, word)| *word)
    };
    // The later ones are in the user agents of the earlier ones, too.
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
    fn a_browser_has_two_words() {
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
            assert_eq!(browser(user_agent).as_deref(), words, "{user_agent}");
        }
    }

    #[test]
    fn a_page_is_known_by_its_origins_host() {
        let of = |name, value: &str| page_of(&Request::builder().header(name, value).body(Body::empty()).unwrap()).host;
        assert_eq!(of("origin", "https://www.example.com:8443").as_deref(), Some("www.example.com"));
        assert_eq!(of("referer", "https://www.example.com/login?next=/").as_deref(), Some("www.example.com"));
        assert_eq!(of("origin", "https://例子.cn").as_deref(), None);
        assert_eq!(of("origin", "null"), None);
        assert_eq!(page_of(&Request::new(Body::empty())), Page::default());
    }
}
