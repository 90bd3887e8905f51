//! Who counts as one, where limits are by client address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address, or the first 64 bits of an IPv6 one: whoever has one address there has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientPrefix(IpAddr);

impl ClientPrefix {
    /// The one of this client; none where the address says nothing of a client. One of a private network is a proxy
    /// that wasn't declared, or a neighbour: to limit that would shut out everybody behind it.
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
    // RFC 6598: between a provider's own machines, such as its load balancers.
    let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(client: &str) -> Option<ClientPrefix> {
        ClientPrefix::of(client.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_counts_for_itself_and_an_ipv6_one_by_its_first_64_bits() {
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
        assert_eq!(of("203.0.113.1"), of("::ffff:203.0.113.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn addresses_of_private_networks_are_no_clients() {
        for address in
            ["10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "100.127.255.255"]
        {
            assert_eq!(of(address), None, "{address}");
            assert_eq!(of(&format!("::ffff:{address}")), None, "{address}");
        }
        for address in ["::1", "fd00::1", "fe80::1"] {
            assert_eq!(of(address), None, "{address}");
        }
        for address in ["100.63.0.1", "100.128.0.1", "172.32.0.1", "11.0.0.1"] {
            assert!(of(address).is_some(), "{address}");
        }
    }
}
