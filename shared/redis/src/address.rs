//! Where Redis is, in which layout, and how it is reached.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use fred::types::config::{Config, Server, ServerConfig};
use serde::{Deserialize, de};
use url::Url;

use crate::tls;

/// Where Redis is. Never printed: it may hold a password.
#[derive(Clone)]
pub struct RedisAddress(Arc<ParsedAddress>);

#[derive(Clone)]
struct ParsedAddress {
    layout: Layout,
    /// User, password, database and TLS of every node; which node is filled in for each connection.
    config: Config,
    sentinels: Config,
}

/// How the servers belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One server, or several that know nothing of each other.
    Independent(Vec<Server>),
    /// A primary that sentinels name and replace.
    Sentinel {
        /// Where sentinels are.
        sentinels: Vec<Server>,
        /// What they call it.
        name: String,
    },
    /// A Redis Cluster.
    Cluster {
        /// Where its other nodes can be asked for.
        seeds: Vec<Server>,
    },
}

/// What may stand after the question mark, by the part of the scheme after `redis`.
const KINDS: [(&str, &[&str]); 4] = [
    ("", &[]),
    ("-sentinel", &["node", "sentinelServiceName", "sentinelUsername", "sentinelPassword"]),
    ("-cluster", &["node"]),
    ("-shards", &["node"]),
];

impl FromStr for RedisAddress {
    type Err = &'static str;

    /// Reads one of these; `rediss…` is the same with TLS. The error doesn't repeat the text.
    ///
    /// - `redis://[user:password@]host:port[/db]`
    /// - `redis-sentinel://[user:password@]host:port[/db]?sentinelServiceName=name[&node=host:port…]`, and maybe
    ///   `&sentinelUsername=user&sentinelPassword=password`
    /// - `redis-cluster://[user:password@]host:port[?node=host:port…]`
    /// - `redis-shards://[user:password@]host:port?node=host:port…`: primaries that share the scenes and know
    ///   nothing of each other. Every pod must have the same text for each of them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be redis://[user:password@]host:port[/db], or redis-sentinel://, redis-cluster:// \
            or redis-shards:// with its nodes, or the same with rediss for TLS";
        if text == "memory:" {
            return Err("memory: carries scenes inside one process, and this may be one of several; it takes a Redis");
        }
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        let scheme = scheme.strip_prefix("redis").ok_or(EXPECTED)?;
        let (kind, has_tls) = scheme.strip_prefix('s').map_or((scheme, false), |kind| (kind, true));
        let (_, settings) = KINDS.into_iter().find(|(known, _)| *known == kind).ok_or(EXPECTED)?;
        // TLS is set up here, and the client knows no shards: they are written as a Cluster's nodes are.
        let known_to_client = format!("redis{}://{rest}", kind.replace("-shards", "-cluster"));
        let url = Url::parse(&known_to_client).map_err(|_| EXPECTED)?;
        let mut config = Config::from_url(&known_to_client).map_err(|_| EXPECTED)?;
        if !url.query_pairs().all(|(name, _)| settings.contains(&&*name)) || url.fragment().is_some() {
            return Err(EXPECTED);
        }
        let is_cut_in_slots = matches!(kind, "-cluster" | "-shards");
        if is_cut_in_slots && !matches!(url.path(), "" | "/") {
            return Err("a Cluster and shards have no database numbers");
        }
        if has_tls {
            config.tls = Some(tls::native().map_err(|_| "the system's certificates can't be read")?);
        }
        Ok(Self(Arc::new(ParsedAddress::new(kind, config))))
    }
}

impl<'de> Deserialize<'de> for RedisAddress {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl ParsedAddress {
    fn new(kind: &str, mut config: Config) -> Self {
        let mut sentinels = Config { tls: config.tls.clone(), ..Config::default() };
        let server = std::mem::replace(&mut config.server, ServerConfig::default_centralized());
        let layout = match server {
            ServerConfig::Sentinel { hosts, service_name, username, password } => {
                (sentinels.username, sentinels.password) = (username, password);
                Layout::Sentinel { sentinels: hosts.into_iter().map(bare).collect(), name: service_name }
            }
            ServerConfig::Clustered { hosts, .. } => {
                let mut nodes: Vec<_> = hosts.into_iter().map(bare).collect();
                // A node that is written twice is one.
                nodes.sort();
                nodes.dedup();
                if kind == "-cluster" { Layout::Cluster { seeds: nodes } } else { Layout::Independent(nodes) }
            }
            ServerConfig::Centralized { server } => Layout::Independent(vec![bare(server)]),
        };
        Self { layout, config, sentinels }
    }
}

/// An IPv6 address has brackets in a URL, and none where it is resolved.
fn bare(server: Server) -> Server {
    let host = server.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.map(|host| Server::new(host, server.port)).unwrap_or(server)
}

impl RedisAddress {
    /// The same, and whoever is certified by the authorities in this PEM file is believed, and nobody else.
    pub fn trusting(&self, authorities: &Path) -> Result<Self, String> {
        if self.0.config.tls.is_none() {
            return Err("of no use without TLS: url has to begin with rediss".to_owned());
        }
        let tls = Some(tls::trusting(authorities)?);
        let (config, sentinels) = (self.0.config.clone(), self.0.sentinels.clone());
        Ok(Self(Arc::new(ParsedAddress {
            layout: self.0.layout.clone(),
            config: Config { tls: tls.clone(), ..config },
            sentinels: Config { tls, ..sentinels },
        })))
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// How this node is reached.
    pub(crate) fn config(&self, node: &Server) -> Config {
        Config { server: ServerConfig::Centralized { server: node.clone() }, ..self.0.config.clone() }
    }

    /// How this sentinel is reached.
    pub(crate) fn sentinel_config(&self, sentinel: &Server) -> Config {
        Config { server: ServerConfig::Centralized { server: sentinel.clone() }, ..self.0.sentinels.clone() }
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redis://…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RedisAddress {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn nodes(nodes: &[(&str, u16)]) -> Vec<Server> {
        nodes.iter().map(|(host, port)| Server::new(*host, *port)).collect()
    }

    #[test]
    fn each_layout_has_its_scheme() {
        assert_eq!(read("redis://r").layout(), &Layout::Independent(nodes(&[("r", 6379)])));
        assert_eq!(read("redis://[::1]:7000/3").layout(), &Layout::Independent(nodes(&[("::1", 7000)])));
        let named = |sentinels| Layout::Sentinel { sentinels, name: "mymaster".to_owned() };
        let sentinel = read("redis-sentinel://s-1?node=s-2:26380&sentinelServiceName=mymaster");
        assert_eq!(sentinel.layout(), &named(nodes(&[("s-2", 26380), ("s-1", 26379)])));
        let seeds = nodes(&[("c-1", 7001), ("c-2", 7002)]);
        assert_eq!(read("redis-cluster://c-2:7002?node=c-1:7001").layout(), &Layout::Cluster { seeds });
        let shards = nodes(&[("a", 1), ("b", 1), ("c", 1)]);
        for text in ["redis-shards://b:1?node=c:1&node=a:1", "redis-shards://a:1?node=a:1&node=b:1&node=c:1"] {
            assert_eq!(read(text).layout(), &Layout::Independent(shards.clone()), "{text}");
        }
    }

    #[test]
    fn users_and_passwords_are_for_those_they_are_meant_for() {
        let address = read(
            "redis-sentinel://ann:a%20b@s:1/2?sentinelServiceName=m&sentinelUsername=watch&sentinelPassword=c%2Fd",
        );
        let node = Server::new("r", 1);
        let (redis, sentinel) = (address.config(&node), address.sentinel_config(&node));
        let text = |text: &str| Some(text.to_owned());
        assert_eq!((redis.username, redis.password, redis.database), (text("ann"), text("a b"), Some(2)));
        assert_eq!((sentinel.username, sentinel.password, sentinel.database), (text("watch"), text("c/d"), None));
        assert_eq!(redis.server, ServerConfig::Centralized { server: node });
    }

    #[test]
    fn tls_is_for_every_node_and_sentinel_or_for_none() {
        for (text, has_tls) in [
            ("redis://r", false),
            ("rediss://r", true),
            ("rediss-sentinel://s?sentinelServiceName=m", true),
            ("rediss-cluster://c", true),
            ("rediss-shards://a?node=b:1", true),
            ("redis-cluster://c", false),
        ] {
            let (address, node) = (read(text), Server::new("r", 1));
            let configs = [address.config(&node), address.sentinel_config(&node)];
            assert_eq!(configs.map(|config| config.tls.is_some()), [has_tls; 2], "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_being_repeated() {
        for text in [
            "",
            "memory:",
            "redis:",
            "redis://",
            "http://secret",
            "redisss://secret",
            "redis-ring://secret",
            "redis://secret:port",
            "redis://r/secret",
            "redis://r?node=secret:1",
            "redis://r#secret",
            "redis-sentinel://s:1?node=secret:1",
            "redis-sentinel://s:1?sentinelServiceName=m&password=secret",
            "redis-cluster://c:1/2?node=secret:1",
            "redis-cluster://c:1?node=secret",
            "redis-shards://c:1/1",
        ] {
            let error = text.parse::<RedisAddress>().map(drop).unwrap_err();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
        assert_eq!(format!("{:?}", read("redis://ann:secret@r")), "redis://…");
    }

    #[test]
    fn an_authority_that_cannot_be_believed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let trusting = |text: &str| read(text).trusting(&file).map(drop).unwrap_err();
        assert!(trusting("rediss://r").contains("No such file"));
        std::fs::write(&file, "no certificate").unwrap();
        assert!(trusting("rediss://r").contains("certificate"));
        assert!(trusting("redis://r").contains("rediss"));
    }
}
