//! Where a request came from, behind the proxies that are declared.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName},
    middleware::Next,
    response::Response,
};
use serde::Deserialize;

use crate::http::networks::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The other end of a connection, as a request's extension.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// Where a request came from, as its extension: the peer, or what a trusted proxy says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Marks requests that came by HTTPS, as a trusted proxy says, where TLS ends.
#[derive(Debug, Clone, Copy)]
pub struct ForwardedHttps;

/// The proxies whose `X-Forwarded-…` is believed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct TrustedProxies(Networks);

impl TrustedProxies {
    /// Whether this is one of them.
    pub fn trust(&self, peer: IpAddr) -> bool {
        self.0.contain(peer)
    }

    /// The last address in the chain of proxies that isn't one of these.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let hops = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = hops.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',').map(str::trim));
        for hop in hops {
            if !self.trust(client) {
                break;
            }
            // What a proxy of ours can't have written ends what can be believed.
            let Some(hop) = address_of(hop) else { break };
            client = hop.to_canonical();
        }
        client
    }

    /// Whether a trusted proxy says that the browser came by HTTPS.
    fn by_https(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        // Where there are several, the first is what the browser used.
        let used = headers.get(FORWARDED_PROTO).and_then(|value| value.to_str().ok()?.split(',').next());
        self.trust(peer) && used.is_some_and(|used| used.trim().eq_ignore_ascii_case("https"))
    }
}

/// The address of a hop, which some proxies write with its port.
fn address_of(hop: &str) -> Option<IpAddr> {
    hop.parse().or_else(|_| hop.parse::<SocketAddr>().map(|hop| hop.ip())).ok()
}

/// Says where each request came from, and how. A middleware.
pub async fn with_client_address(State(proxies): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    if let Some(PeerAddress(peer)) = request.extensions().get().copied() {
        let client = proxies.client(peer.ip(), request.headers());
        if proxies.by_https(peer.ip(), request.headers()) {
            request.extensions_mut().insert(ForwardedHttps);
        }
        request.extensions_mut().insert(ClientAddress(client));
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> TrustedProxies {
        serde_json::from_str(r#"["10.0.0.0/8", "127.0.0.1", "fd00::/8"]"#).unwrap()
    }

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let headers = forwarded.iter().map(|value| (FORWARDED_FOR, value.parse().unwrap())).collect();
        proxies().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn what_trusted_proxies_say_is_believed_and_nothing_else() {
        for (peer, forwarded, expected) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            ("203.0.113.9", &["1.2.3.4"], "203.0.113.9"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &["1.2.3.4"], "1.2.3.4"),
            ("10.1.2.3", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.1.2.3", &["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            ("10.1.2.3", &["1.2.3.4", "10.9.9.9"], "1.2.3.4"),
            ("10.1.2.3", &["1.2.3.4, nonsense"], "10.1.2.3"),
            ("10.1.2.3", &["6.6.6.6:80, 1.2.3.4:50000, 10.9.9.9:443"], "1.2.3.4"),
            ("10.1.2.3", &["[2001:db8::1]:50000"], "2001:db8::1"),
            ("10.1.2.3", &["1.2.3.4:nonsense"], "10.1.2.3"),
            ("::ffff:10.1.2.3", &["2001:db8::1"], "2001:db8::1"),
            ("fd00::1", &["::ffff:1.2.3.4"], "1.2.3.4"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_knows_of_https() {
        for (peer, forwarded, expected) in [
            ("10.1.2.3", Some("https"), true),
            ("::ffff:10.1.2.3", Some("HTTPS, http"), true),
            ("10.1.2.3", Some("http, https"), false),
            ("10.1.2.3", None, false),
            ("203.0.113.9", Some("https"), false),
        ] {
            let headers = forwarded.iter().map(|value| (FORWARDED_PROTO, value.parse().unwrap())).collect();
            assert_eq!(proxies().by_https(peer.parse().unwrap(), &headers), expected, "{peer} {forwarded:?}");
        }
    }
}
