//! The address that a request came from, behind trusted proxies.
//!
//! ```text
//! X-Forwarded-For:  6.6.6.6, 1.2.3.4, 10.9.9.9          connection from 10.1.2.3
//!                   invented  client   trusted ◀──────── trusted: from right to left
//! ```
//!
//! `Forwarded` (RFC 7239), `X-Real-IP` and the headers of single vendors are not read. A proxy that writes one header
//! passes on the others as the client sent them, so only one header can be believed.
//!
//! See docs/decisions/049-an-unreadable-address-counts-as-one-client.md.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::LazyLock,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName},
    middleware::Next,
    response::Response,
};
use serde::Deserialize;

use crate::{admission::rate_limit::RateLimit, http::networks::Networks};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The most trusted proxies between a client and us. No real chain has as many.
const MAX_PROXIES: usize = 16;
/// The most bytes of an unreadable hop that the log shows.
const MAX_LOGGED_BYTES: usize = 64;
/// `100::/8`, which the IETF has reserved.
const RESERVED: u128 = 0x0100 << 112;
/// One client whose address can't be read sends many requests.
static UNREADABLE_LOG_RATE: LazyLock<RateLimit> = LazyLock::new(|| RateLimit::per_second(1));

/// A request's extension: the other end of its connection.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// A request's extension: its client, as far as connection and trusted proxies tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAddress {
    /// The client's address: the peer's, or the one that the last trusted proxy forwards.
    Known(IpAddr),
    /// Only trusted proxies are known. The request is this proxy's own, or the proxy forwards no address.
    Proxy(IpAddr),
    /// This trusted proxy forwards something that is no address. All such clients of the proxy count as one.
    Unreadable { proxy: IpAddr },
}

impl ClientAddress {
    /// The client's own address, if it is known.
    pub fn known(self) -> Option<IpAddr> {
        match self {
            Self::Known(address) => Some(address),
            Self::Proxy(_) | Self::Unreadable { .. } => None,
        }
    }

    /// The address as which the client is limited. Clients whose address can't be read share one that no client has, in a
    /// reserved network, so that it isn't taken for a private one.
    pub fn limited_as(self) -> IpAddr {
        match self {
            Self::Known(address) | Self::Proxy(address) => address,
            Self::Unreadable { proxy } => Ipv6Addr::from_bits(RESERVED | (folded(proxy) << 80)).into(),
        }
    }
}

/// 32 bits that tell the proxies of one deployment apart. For IPv4 they are the address.
fn folded(proxy: IpAddr) -> u128 {
    let bits = match proxy.to_canonical() {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    };
    [0, 32, 64, 96].into_iter().fold(0, |folded, shift| folded ^ (bits >> shift)) & 0xffff_ffff
}

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
        let too_wide = networks.too_wide().map(|network| {
            format!(
                "{network} has clients in it, and each could claim any address; name the networks of your own proxies"
            )
        });
        let unseen =
            networks.never_matches().map(|network| format!("{network} is never seen; write IPv4 addresses as IPv4"));
        let problems: Vec<_> = too_wide.into_iter().chain(unseen).collect();
        if problems.is_empty() { Ok(Self(networks)) } else { Err(problems.join("; ")) }
    }
}

impl TrustedProxies {
    /// Whether no proxy is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the address of one of the proxies.
    pub fn is_trusted(&self, peer: IpAddr) -> bool {
        self.0.contains(peer)
    }

    /// The client: the last address in the chain of proxies that isn't a trusted proxy. A client can write anything into
    /// the header, but only before what trusted proxies append, and nothing is read there.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut last = peer.to_canonical();
        let mut hops = forwarded_hops(headers);
        let mut proxies = 1;
        while self.is_trusted(last) {
            let Some(hop) = hops.next() else { return ClientAddress::Proxy(last) };
            let Some(address) = parse_hop(hop).filter(|_| proxies <= MAX_PROXIES) else {
                warn_of_unreadable(last, hop);
                return ClientAddress::Unreadable { proxy: last };
            };
            last = address;
            proxies += 1;
        }
        ClientAddress::Known(last)
    }

    /// Browsers connect by `https`, and some proxies call that `wss` for a WebSocket.
    fn forwards_https(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        // If there are several values, the first is the protocol that the browser used.
        let used = headers.get(FORWARDED_PROTO).and_then(|value| value.as_bytes().split(|byte| *byte == b',').next());
        self.is_trusted(peer)
            && used
                .map(<[u8]>::trim_ascii)
                .is_some_and(|used| used.eq_ignore_ascii_case(b"https") || used.eq_ignore_ascii_case(b"wss"))
    }
}

/// The items of all `X-Forwarded-For` lines, from the last to the first.
fn forwarded_hops(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The address in an item, in any form that proxies write: alone, with a port, in brackets, in quotes, with a zone.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let hop = hop.strip_prefix('"').and_then(|hop| hop.strip_suffix('"')).unwrap_or(hop);
    let address = hop.parse().ok().or_else(|| parse_in_brackets(hop)).or_else(|| parse_with_zone(hop));
    let address = address.or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

/// `[address]`. An IPv6 address with a port, `[address]:port`, is a [`SocketAddr`].
fn parse_in_brackets(hop: &str) -> Option<IpAddr> {
    let address = hop.strip_prefix('[')?.strip_suffix(']')?;
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6).or_else(|| parse_with_zone(address))
}

/// `address%zone`. A zone names a network interface of the proxy, so it tells nothing of the client.
fn parse_with_zone(hop: &str) -> Option<IpAddr> {
    let (address, _) = hop.split_once('%')?;
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

fn warn_of_unreadable(proxy: IpAddr, hop: &[u8]) {
    if UNREADABLE_LOG_RATE.allows() {
        let forwarded = hop[..hop.len().min(MAX_LOGGED_BYTES)].escape_ascii();
        tracing::warn!(
            %proxy, %forwarded,
            "a trusted proxy forwards a client whose address can't be read; all such clients of this proxy share the limits \
             of one, and phones are told that the page's address is unknown; have the proxy append the client's IP address \
             to X-Forwarded-For"
        );
    }
}

/// Middleware: adds [`ClientAddress`] and [`ForwardedHttps`] to each request.
pub async fn with_client_address(State(proxies): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    if let Some(PeerAddress(peer)) = request.extensions().get().copied() {
        let client = proxies.client(peer.ip(), request.headers());
        if proxies.forwards_https(peer.ip(), request.headers()) {
            request.extensions_mut().insert(ForwardedHttps);
        }
        request.extensions_mut().insert(client);
    }
    next.run(request).await
}

#[cfg(test)]
#[path = "client_address_tests.rs"]
mod tests;
