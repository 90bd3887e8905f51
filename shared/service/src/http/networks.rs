//! Sets of IP addresses.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use ipnet::IpNet;
use serde::{Deserialize, de};

use crate::config::types::text_list;

/// A set of IP addresses and networks. In configuration: a list, or one text with commas.
#[derive(Debug, Clone, Default)]
pub struct Networks(Arc<[IpNet]>);

impl Networks {
    /// Whether the address is in the set. An IPv4-mapped IPv6 address counts as its IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A part of the set that is larger than any operator's own network: wider than `10.0.0.0/8`, or than a /16 of
    /// IPv6 that isn't private. Networks beside each other count as one.
    pub(super) fn too_wide(&self) -> Option<IpNet> {
        let is_private = |network: &IpNet| PRIVATE_IPV6.iter().any(|private| private.contains(network));
        IpNet::aggregate(&self.0.to_vec()).into_iter().find(|network| match network {
            IpNet::V4(network) => network.prefix_len() < 8,
            IpNet::V6(_) => network.prefix_len() < 16 && !is_private(network),
        })
    }

    /// A network of the set that no address is in, since IPv4 addresses that are written as IPv6 count as IPv4.
    pub(super) fn never_matches(&self) -> Option<IpNet> {
        self.0.iter().copied().find(|network| IPV4_MAPPED.contains(network))
    }
}

/// Addresses of IPv4 that are written as IPv6.
static IPV4_MAPPED: LazyLock<IpNet> = LazyLock::new(|| "::ffff:0:0/96".parse().expect("a network"));

/// Unique local and link-local addresses.
static PRIVATE_IPV6: LazyLock<[IpNet; 2]> =
    LazyLock::new(|| ["fc00::/7", "fe80::/10"].map(|network| network.parse().expect("a network")));

/// Texts that are no addresses and no networks.
#[derive(Debug, thiserror::Error)]
#[error("{} is not an address or network such as 10.0.0.0/8", quoted(.0))]
pub struct NetworkError(Vec<String>);

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}

impl TryFrom<Vec<String>> for Networks {
    type Error = NetworkError;

    fn try_from(texts: Vec<String>) -> Result<Self, NetworkError> {
        let parse = |text: &String| text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let networks = texts.iter().filter_map(parse).collect();
        let bad: Vec<_> = texts.into_iter().filter(|text| parse(text).is_none()).collect();
        if bad.is_empty() { Ok(Self(networks)) } else { Err(NetworkError(bad)) }
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_list(from)?.try_into().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_addresses_and_networks() {
        for written in [r#""10.0.0.0/8, ::1""#, r#"["10.0.0.0/8", "::1"]"#] {
            let networks: Networks = serde_json::from_str(written).unwrap();
            for (address, inside) in [
                ("10.255.0.1", true),
                ("::ffff:10.255.0.1", true),
                ("::1", true),
                ("11.0.0.1", false),
                ("::2", false),
                ("127.0.0.1", false),
            ] {
                assert_eq!(networks.contains(address.parse().unwrap()), inside, "{address}");
            }
        }
        for bad in [r#""10.0.0.0/33""#, r#"["localhost"]"#, r#"[""]"#, r#"["10.0.0.1", 5]"#] {
            assert!(serde_json::from_str::<Networks>(bad).is_err(), "{bad}");
        }
        let error = serde_json::from_str::<Networks>(r#""10.0.0.0/33,::1,here""#).unwrap_err().to_string();
        assert!(error.starts_with(r#""10.0.0.0/33", "here" is not an address"#), "{error}");
    }
}
