//! The address that a request came from, behind trusted proxies.

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

/// A request's extension: the other end of its connection.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// A request's extension: the address of its client. That is the peer, or the address that a trusted proxy forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// A request's extension: a trusted proxy, where TLS ends, says that the client used HTTPS.
#[derive(Debug, Clone, Copy)]
pub struct ForwardedHttps;

/// The proxies whose `X-Forwarded-…` headers are trusted. They are few enough to be an operator's own: whoever is one
/// of them chooses the address that limits count and phones show.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Networks")]
pub struct TrustedProxies(Networks);

impl TryFrom<Networks> for TrustedProxies {
    type Error = String;

    fn try_from(networks: Networks) -> Result<Self, String> {
        if let Some(network) = networks.too_wide() {
            return Err(format!(
                "{network} has clients in it, and each could claim any address; name the networks of your own proxies"
            ));
        }
        match networks.never_matches() {
            Some(network) => Err(format!("{network} is never seen; write IPv4 addresses as IPv4")),
            None => Ok(Self(networks)),
        }
    }
}

impl TrustedProxies {
    /// Whether this is the address of one of the proxies.
    pub fn is_trusted(&self, peer: IpAddr) -> bool {
        self.0.contains(peer)
    }

    /// The address of the client: the last address in the chain of proxies that isn't a trusted proxy.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let hops = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = hops.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',').map(str::trim));
        for hop in hops {
            if !self.is_trusted(client) {
                break;
            }
            // A trusted proxy writes only addresses, so this and everything before it is the client's invention.
            let Some(hop) = parse_hop(hop) else { break };
            client = hop.to_canonical();
        }
        client
    }

    fn forwards_https(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        // If there are several values, the first is the protocol that the browser used.
        let used = headers.get(FORWARDED_PROTO).and_then(|value| value.to_str().ok()?.split(',').next());
        self.is_trusted(peer) && used.is_some_and(|used| used.trim().eq_ignore_ascii_case("https"))
    }
}

/// Some proxies write an address with its port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse().or_else(|_| hop.parse::<SocketAddr>().map(|hop| hop.ip())).ok()
}

/// Middleware: adds [`ClientAddress`] and [`ForwardedHttps`] to each request.
pub async fn with_client_address(State(proxies): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    if let Some(PeerAddress(peer)) = request.extensions().get().copied() {
        let client = proxies.client(peer.ip(), request.headers());
        if proxies.forwards_https(peer.ip(), request.headers()) {
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
    fn only_trusted_proxies_can_forward_an_address() {
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
    fn a_network_in_which_clients_are_is_not_trusted() {
        let read = |written: &str| serde_json::from_value::<TrustedProxies>(written.into());
        for written in [
            "0.0.0.0/0",
            "::/0",
            "10.0.0.1/0",
            "0.0.0.0/1, 128.0.0.0/1",
            "10.0.0.0/8, 11.0.0.0/8",
            "10.0.0.0/7",
            "2000::/3",
            "2a00::/12",
            "::/1, 8000::/1",
            "::ffff:10.0.0.0/104",
            "::ffff:10.1.2.3",
        ] {
            assert!(read(written).is_err(), "{written}");
        }
        for written in
            ["10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16", "fc00::/7", "fe80::/10", "104.16.0.0/13", "2606:4700::/32"]
        {
            assert!(read(written).is_ok(), "{written}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_can_forward_https() {
        for (peer, forwarded, expected) in [
            ("10.1.2.3", Some("https"), true),
            ("::ffff:10.1.2.3", Some("HTTPS, http"), true),
            ("10.1.2.3", Some("http, https"), false),
            ("10.1.2.3", None, false),
            ("203.0.113.9", Some("https"), false),
        ] {
            let headers = forwarded.iter().map(|value| (FORWARDED_PROTO, value.parse().unwrap())).collect();
            assert_eq!(proxies().forwards_https(peer.parse().unwrap(), &headers), expected, "{peer} {forwarded:?}");
        }
    }
}
