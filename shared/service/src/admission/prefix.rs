//! Which addresses count as one client, where limits are per client address.
//!
//! See docs/decisions/022-private-addresses-are-not-limited.md.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address, or the first 64 bits of an IPv6 address: one subscriber usually owns all addresses of a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientPrefix(IpAddr);

impl ClientPrefix {
    /// The prefix of this client's address. `None` for private addresses: such an address is probably a proxy that
    /// isn't configured as trusted, and a limit would lock out everybody behind it.
    pub(crate) fn of(client: IpAddr) -> Option<Self> {
        match client.to_canonical() {
            IpAddr::V4(address) if is_private(address) => None,
            IpAddr::V4(address) => Some(Self(address.into())),
            IpAddr::V6(address) if address.is_loopback() => None,
            IpAddr::V6(address) if address.is_unique_local() || address.is_unicast_link_local() => None,
            IpAddr::V6(address) => Some(Self(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into())),
        }
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

    #[test]
    fn ipv4_counts_by_address_and_ipv6_by_its_first_64_bits() {
        assert_ne!(prefix("203.0.113.1"), prefix("203.0.113.2"));
        assert_eq!(prefix("203.0.113.1"), prefix("::ffff:203.0.113.1"));
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:0:1::1"));
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
            assert_eq!(prefix(address), None, "{address}");
        }
        for address in ["100.63.0.1", "100.128.0.1", "172.32.0.1", "11.0.0.1"] {
            assert!(prefix(address).is_some(), "{address}");
        }
    }
}
