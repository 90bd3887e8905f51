//! Sets of IP addresses.

use std::{net::IpAddr, sync::Arc};

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
}

/// A text is not an address or a network.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an address or network such as 10.0.0.0/8")]
pub struct NetworkError(String);

impl TryFrom<Vec<String>> for Networks {
    type Error = NetworkError;

    fn try_from(texts: Vec<String>) -> Result<Self, NetworkError> {
        let parse = |text: String| match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => Ok(network),
            Err(_) => Err(NetworkError(text)),
        };
        texts.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
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
    }
}
