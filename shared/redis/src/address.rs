//! Where Redis is, its layout, and how to connect, as `bus.url` says.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use fred::types::config::{Config, Server, ServerConfig, TlsConfig};
use serde::{Deserialize, de};

use crate::{
    address_error::RedisAddressError,
    address_text::{AddressText, without_brackets},
    connection::heartbeat::ExpectedRole,
    tls,
    topology::acks::MinReplicas,
};

/// Where Redis is, and how to connect. `Debug` hides it, because it may have a password.
#[derive(Clone)]
pub struct RedisAddress(Arc<ParsedAddress>);

#[derive(Clone)]
struct ParsedAddress {
    layout: Layout,
    /// User, password, database and TLS, the same for every server; its address is filled in for each connection.
    config: Config,
    /// The same for sentinels.
    sentinel_config: Config,
    min_replicas: MinReplicas,
}

/// How the servers work together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One server, or several that know nothing of each other and share the keys.
    Independent(Vec<Server>),
    /// A primary and its replicas. Sentinels say which one is the primary.
    Sentinel {
        sentinels: Vec<Server>,
        /// The name under which the sentinels know the primary.
        service: String,
    },
    Cluster {
        /// Some of its nodes, which know the others.
        seeds: Vec<Server>,
    },
}

impl FromStr for RedisAddress {
    type Err = RedisAddressError;

    /// Parses one of these. `rediss…` is the same with TLS. An IPv6 address is in brackets. The error doesn't contain the
    /// text, which may have a password.
    ///
    /// - `redis://[user:password@]host:port[/db]`
    /// - `redis-sentinel://[user:password@]host:port[/db]?sentinelServiceName=name[&node=host:port…]`, optionally
    ///   with `&sentinelUsername=user&sentinelPassword=password`, and with `&sentinelTls=true` or `false` where the
    ///   sentinels differ from Redis in that
    /// - `redis-cluster://[user:password@]host:port[?node=host:port…]`
    /// - `redis-shards://[user:password@]host:port?node=host:port…`: primaries that share the keys and know
    ///   nothing of each other. Every pod must write each address in the same way, because the text decides which
    ///   primary has which keys.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let AddressText { kind, has_tls, sentinels_have_tls, other_nodes, client_url } = AddressText::parse(text)?;
        let config = Config::from_url(&client_url).map_err(|_| RedisAddressError::Unreadable)?;
        let mut address = ParsedAddress::new(kind, config, other_nodes);
        if has_tls {
            address.config.tls = Some(native_tls()?);
        }
        if sentinels_have_tls {
            address.sentinel_config.tls = Some(native_tls()?);
        }
        Ok(Self(Arc::new(address)))
    }
}

fn native_tls() -> Result<TlsConfig, RedisAddressError> {
    tls::native().map_err(|_| RedisAddressError::NoCertificates)
}

impl<'de> Deserialize<'de> for RedisAddress {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl ParsedAddress {
    /// Without TLS. `other_nodes` are those beside the one before the query.
    fn new(kind: &str, mut config: Config, other_nodes: Vec<Server>) -> Self {
        let mut sentinel_config = Config::default();
        let server = std::mem::replace(&mut config.server, ServerConfig::default_centralized());
        let layout = match server {
            ServerConfig::Sentinel { hosts, service_name, username, password } => {
                sentinel_config.username = username;
                sentinel_config.password = password;
                let sentinels = other_nodes.into_iter().chain(hosts.into_iter().map(without_brackets)).collect();
                Layout::Sentinel { sentinels, service: service_name }
            }
            ServerConfig::Clustered { hosts, .. } => {
                let mut nodes: Vec<_> = hosts.into_iter().map(without_brackets).chain(other_nodes).collect();
                // The same node may be written twice.
                nodes.sort();
                nodes.dedup();
                if kind == "-cluster" { Layout::Cluster { seeds: nodes } } else { Layout::Independent(nodes) }
            }
            ServerConfig::Centralized { server } => Layout::Independent(vec![without_brackets(server)]),
        };
        Self { layout, config, sentinel_config, min_replicas: MinReplicas::default() }
    }
}

impl RedisAddress {
    /// Whether pods connect as this user.
    pub fn has_user(&self, name: &str) -> bool {
        self.0.config.username.as_deref() == Some(name)
    }

    /// Whether this is the password for Redis, or for its sentinels.
    pub fn has_password(&self, text: &str) -> bool {
        let passwords = [&self.0.config.password, &self.0.sentinel_config.password];
        passwords.into_iter().flatten().any(|password| password == text)
    }

    /// The same address, trusting the certificate authorities in this PEM file and no others. Fails without TLS.
    pub fn trusting(&self, authorities: &Path) -> Result<Self, String> {
        let mut address = ParsedAddress::clone(&self.0);
        let configs = [&mut address.config, &mut address.sentinel_config];
        let with_tls: Vec<_> = configs.into_iter().filter_map(|config| config.tls.as_mut()).collect();
        if with_tls.is_empty() {
            return Err("it has an effect only with TLS: bus.url must begin with rediss".to_owned());
        }
        let trusting = tls::trusting(authorities)?;
        for tls in with_tls {
            *tls = trusting.clone();
        }
        Ok(Self(Arc::new(address)))
    }

    /// The same address, where a login counts as stored once this many replicas have it.
    #[must_use]
    pub fn requiring(&self, min_replicas: MinReplicas) -> Self {
        Self(Arc::new(ParsedAddress { min_replicas, ..ParsedAddress::clone(&self.0) }))
    }

    pub(crate) fn min_replicas(&self) -> MinReplicas {
        self.0.min_replicas
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The Redis user as which pods connect.
    pub(crate) fn user(&self) -> String {
        self.0.config.username.clone().unwrap_or_else(|| "default".to_owned())
    }

    /// Which servers its connections may lead to.
    pub(crate) fn expected_role(&self) -> ExpectedRole {
        match self.layout() {
            Layout::Independent(_) | Layout::Sentinel { .. } => ExpectedRole::Primary,
            Layout::Cluster { .. } => ExpectedRole::Node,
        }
    }

    /// How to connect to this server.
    pub(crate) fn config(&self, node: &Server) -> Config {
        Config { server: ServerConfig::Centralized { server: node.clone() }, ..self.0.config.clone() }
    }

    /// How to connect to this sentinel.
    pub(crate) fn sentinel_config(&self, sentinel: &Server) -> Config {
        Config { server: ServerConfig::Centralized { server: sentinel.clone() }, ..self.0.sentinel_config.clone() }
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redis://…")
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
