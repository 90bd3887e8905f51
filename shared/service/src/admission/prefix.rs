//! Which addresses count as one client, where limits are per client address.
//!
//! An IPv4 address is one client, and so is a /64 of IPv6: one subscriber usually owns all of its addresses. But who
//! rents a server often gets a /56 or a /48, which is 256 or 65,536 such clients. So these count, too, with limits that
//! are higher, since neighbours may share them.
//!
//! Translators and tunnels write an IPv4 address into an IPv6 address. Then it is the IPv4 address that counts: all of
//! IPv4 is in one /64 of such a translator.
//!
//! See docs/decisions/022-private-addresses-are-not-limited.md.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use strum::VariantArray;

/// How many addresses a limit counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, VariantArray)]
pub enum PrefixWidth {
    /// One IPv4 address.
    Ipv4Address,
    /// An IPv6 /64.
    Ipv6Subnet,
    /// An IPv6 /56: what providers give to homes.
    Ipv6Home,
    /// An IPv6 /48: what providers give to offices and servers.
    Ipv6Site,
}

impl PrefixWidth {
    /// The limit for such a prefix, if a client has the limit `of_client`: one and a half times as much for a /56,
    /// twice as much for a /48.
    pub fn limit(self, of_client: u64) -> u64 {
        match self {
            Self::Ipv4Address | Self::Ipv6Subnet => of_client,
            Self::Ipv6Home => of_client.saturating_mul(3).div_ceil(2),
            Self::Ipv6Site => of_client.saturating_mul(2),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Ipv4Address => 32,
            Self::Ipv6Subnet => 64,
            Self::Ipv6Home => 56,
            Self::Ipv6Site => 48,
        }
    }
}

/// Addresses that count together. As text, `203.0.113.1` or `2001:db8::/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientPrefix {
    address: IpAddr,
    width: PrefixWidth,
}

impl ClientPrefix {
    /// The prefix of this client alone. `None` for private addresses: such an address is probably a proxy that
    /// isn't configured as trusted, and a limit would lock out everybody behind it.
    pub(crate) fn of(client: IpAddr) -> Option<Self> {
        match client_behind(client.to_canonical()) {
            IpAddr::V4(address) if is_private(address) => None,
            IpAddr::V4(address) => Some(Self { address: address.into(), width: PrefixWidth::Ipv4Address }),
            IpAddr::V6(address) if address.is_loopback() => None,
            IpAddr::V6(address) if address.is_unique_local() || address.is_unicast_link_local() => None,
            IpAddr::V6(address) => Some(Self::masked(address, PrefixWidth::Ipv6Subnet)),
        }
    }

    /// All prefixes that count this client: its own first, then the wider ones. None for private addresses.
    pub fn all_of(client: IpAddr) -> impl Iterator<Item = Self> {
        Self::of(client).into_iter().flat_map(Self::with_wider)
    }

    /// This prefix of a client, and the wider ones around it.
    pub(crate) fn with_wider(self) -> impl Iterator<Item = Self> {
        let wider = match self.address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => {
                Some([PrefixWidth::Ipv6Home, PrefixWidth::Ipv6Site].map(|width| Self::masked(address, width)))
            }
        };
        std::iter::once(self).chain(wider.into_iter().flatten())
    }

    /// How many addresses it has.
    pub fn width(self) -> PrefixWidth {
        self.width
    }

    fn masked(address: Ipv6Addr, width: PrefixWidth) -> Self {
        let mask = u128::MAX << (128 - u32::from(width.bits()));
        Self { address: Ipv6Addr::from_bits(address.to_bits() & mask).into(), width }
    }
}

impl fmt::Display for ClientPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.width {
            PrefixWidth::Ipv4Address => self.address.fmt(f),
            width => write!(f, "{}/{}", self.address, width.bits()),
        }
    }
}

/// The IPv4 address in this one, if a translator or a tunnel wrote it there, and it is a public one. (A private one would
/// be without limits, and is rather a machine of the translator's own network.)
fn client_behind(address: IpAddr) -> IpAddr {
    let IpAddr::V6(translated) = address else { return address };
    let embedded = embedded_ipv4(translated).filter(|embedded| !is_private(*embedded) && !embedded.is_unspecified());
    embedded.map_or(address, IpAddr::V4)
}

/// In the addresses of NAT64 (RFC 6052, and RFC 8215 for a translator of one network), of SIIT (RFC 2765), and of 6to4
/// (RFC 3056), which gives each IPv4 address a /48.
fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

fn is_private(address: Ipv4Addr) -> bool {
    // 100.64.0.0/10 (RFC 6598): used between a provider's own machines, such as its load balancers.
    let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(client: &str) -> Option<ClientPrefix> {
        ClientPrefix::of(client.parse().unwrap())
    }

    fn all(client: &str) -> Vec<String> {
        ClientPrefix::all_of(client.parse().unwrap()).map(|prefix| prefix.to_string()).collect()
    }

    #[test]
    fn ipv4_counts_by_address_and_ipv6_by_its_first_64_bits() {
        assert_ne!(prefix("203.0.113.1"), prefix("203.0.113.2"));
        assert_eq!(prefix("203.0.113.1"), prefix("::ffff:203.0.113.1"));
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:0:1::1"));
    }

    #[test]
    fn ipv6_also_counts_by_its_first_56_and_48_bits() {
        assert_eq!(all("203.0.113.1"), ["203.0.113.1"]);
        let expected = ["2001:db8:1:abcd::/64", "2001:db8:1:ab00::/56", "2001:db8:1::/48"];
        assert_eq!(all("2001:db8:1:abcd::1"), expected);
        let limits = PrefixWidth::VARIANTS.iter().map(|width| width.limit(3)).collect::<Vec<_>>();
        assert_eq!(limits, [3, 3, 5, 6]);
        assert_eq!(PrefixWidth::Ipv6Site.limit(u64::MAX), u64::MAX);
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_counts_as_itself() {
        for translated in [
            "::ffff:203.0.113.1",
            "64:ff9b::203.0.113.1",
            "64:ff9b:1::203.0.113.1",
            "64:ff9b:1:abcd::203.0.113.1",
            "::ffff:0:203.0.113.1",
            "2002:cb00:7101::1",
            "2002:cb00:7101:ffff::2",
        ] {
            assert_eq!(all(translated), ["203.0.113.1"], "{translated}");
        }
        assert_ne!(prefix("64:ff9b::203.0.113.1"), prefix("64:ff9b::203.0.113.2"));
        for (other, counted) in [
            ("64:ff9b::10.0.0.1", "64:ff9b::/64"),
            ("64:ff9b::", "64:ff9b::/64"),
            ("2002:7f00:1::1", "2002:7f00:1::/64"),
            ("64:ff9b:0:1::203.0.113.1", "64:ff9b:0:1::/64"),
            ("64:ff9a::203.0.113.1", "64:ff9a::/64"),
            ("2001:db8::203.0.113.1", "2001:db8::/64"),
            ("::203.0.113.1", "::/64"),
        ] {
            assert_eq!(all(other)[0], counted, "{other}");
        }
    }

    #[test]
    fn private_addresses_have_no_prefix() {
        for address in
            ["10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "100.127.255.255"]
        {
            assert_eq!(prefix(address), None, "{address}");
            assert_eq!(prefix(&format!("::ffff:{address}")), None, "{address}");
        }
        for address in ["::1", "fd00::1", "fe80::1"] {
            assert_eq!(all(address), [""; 0], "{address}");
        }
        for address in ["100.63.0.1", "100.128.0.1", "172.32.0.1", "11.0.0.1"] {
            assert!(prefix(address).is_some(), "{address}");
        }
    }
}
