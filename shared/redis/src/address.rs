//! Parses `bus.url`: where Redis is, its layout, and how to connect.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use fred::types::config::{Config, Server, ServerConfig};
use serde::{Deserialize, de};
use url::Url;

use crate::{connection::heartbeat::ExpectedRole, tls, topology::acks::MinReplicas};

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

/// The query parameters that are allowed, by the part of the scheme after `redis`.
const QUERY_PARAMETERS: [(&str, &[&str]); 4] = [
    ("", &[]),
    ("-sentinel", &["node", "sentinelServiceName", "sentinelUsername", "sentinelPassword"]),
    ("-cluster", &["node"]),
    ("-shards", &["node"]),
];

impl FromStr for RedisAddress {
    type Err = &'static str;

    /// Parses one of these. `rediss…` is the same with TLS. The error doesn't contain the text, which may have a
    /// password.
    ///
    /// - `redis://[user:password@]host:port[/db]`
    /// - `redis-sentinel://[user:password@]host:port[/db]?sentinelServiceName=name[&node=host:port…]`, optionally
    ///   with `&sentinelUsername=user&sentinelPassword=password`
    /// - `redis-cluster://[user:password@]host:port[?node=host:port…]`
    /// - `redis-shards://[user:password@]host:port?node=host:port…`: primaries that share the keys and know
    ///   nothing of each other. Every pod must write each address in the same way, because the text decides which
    ///   primary has which keys.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be redis://[user:password@]host:port[/db], or redis-sentinel://, redis-cluster:// \
            or redis-shards:// with its nodes, or the same with rediss for TLS";
        if text == "memory:" {
            return Err("memory: works only where everything runs in one process; this pod needs the URL of a Redis");
        }
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        let scheme = scheme.strip_prefix("redis").ok_or(EXPECTED)?;
        let (kind, has_tls) = scheme.strip_prefix('s').map_or((scheme, false), |kind| (kind, true));
        let (_, parameters) = QUERY_PARAMETERS.into_iter().find(|(known, _)| *known == kind).ok_or(EXPECTED)?;
        // For the client's parser, which doesn't know shards: their nodes are written as those of a Cluster. TLS is
        // added below.
        let client_url = format!("redis{}://{rest}", kind.replace("-shards", "-cluster"));
        let url = Url::parse(&client_url).map_err(|_| EXPECTED)?;
        let mut config = Config::from_url(&client_url).map_err(|_| EXPECTED)?;
        if !url.query_pairs().all(|(name, _)| parameters.contains(&&*name)) || url.fragment().is_some() {
            return Err(EXPECTED);
        }
        // What is left where the variable of a password was never set.
        if !url.username().is_empty() && url.password().is_none_or(str::is_empty) {
            return Err("names a user of Redis without a password; put it between the user and the @");
        }
        let has_many_primaries = matches!(kind, "-cluster" | "-shards");
        if has_many_primaries && !matches!(url.path(), "" | "/") {
            return Err("a Cluster and shards have no database numbers; remove what comes after the port");
        }
        if has_tls {
            let tls = tls::native();
            config.tls = Some(tls.map_err(|_| "can't read the system's CA certificates; install ca-certificates")?);
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
        let mut sentinel_config = Config { tls: config.tls.clone(), ..Config::default() };
        let server = std::mem::replace(&mut config.server, ServerConfig::default_centralized());
        let layout = match server {
            ServerConfig::Sentinel { hosts, service_name, username, password } => {
                sentinel_config.username = username;
                sentinel_config.password = password;
                let sentinels = hosts.into_iter().map(without_brackets).collect();
                Layout::Sentinel { sentinels, service: service_name }
            }
            ServerConfig::Clustered { hosts, .. } => {
                let mut nodes: Vec<_> = hosts.into_iter().map(without_brackets).collect();
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

/// An IPv6 address has brackets in a URL, but must have none when it is resolved.
fn without_brackets(server: Server) -> Server {
    let host = server.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.map(|host| Server::new(host, server.port)).unwrap_or(server)
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
        if self.0.config.tls.is_none() {
            return Err("it has an effect only with TLS: bus.url must begin with rediss".to_owned());
        }
        let tls = Some(tls::trusting(authorities)?);
        let mut address = ParsedAddress::clone(&self.0);
        address.config.tls.clone_from(&tls);
        address.sentinel_config.tls = tls;
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
            // The nodes themselves say who the primaries are, and replicas are asked, too.
            Layout::Cluster { .. } => ExpectedRole::Any,
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
mod tests {
    use super::*;

    fn parse(text: &str) -> RedisAddress {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn nodes(nodes: &[(&str, u16)]) -> Vec<Server> {
        nodes.iter().map(|(host, port)| Server::new(*host, *port)).collect()
    }

    #[test]
    fn each_layout_has_its_scheme() {
        assert_eq!(parse("redis://r").layout(), &Layout::Independent(nodes(&[("r", 6379)])));
        assert_eq!(parse("redis://[::1]:7000/3").layout(), &Layout::Independent(nodes(&[("::1", 7000)])));
        let layout = |sentinels| Layout::Sentinel { sentinels, service: "mymaster".to_owned() };
        let sentinel = parse("redis-sentinel://s-1?node=s-2:26380&sentinelServiceName=mymaster");
        assert_eq!(sentinel.layout(), &layout(nodes(&[("s-2", 26380), ("s-1", 26379)])));
        let seeds = nodes(&[("c-1", 7001), ("c-2", 7002)]);
        assert_eq!(parse("redis-cluster://c-2:7002?node=c-1:7001").layout(), &Layout::Cluster { seeds });
        let shards = nodes(&[("a", 1), ("b", 1), ("c", 1)]);
        for text in ["redis-shards://b:1?node=c:1&node=a:1", "redis-shards://a:1?node=a:1&node=b:1&node=c:1"] {
            assert_eq!(parse(text).layout(), &Layout::Independent(shards.clone()), "{text}");
        }
    }

    #[test]
    fn redis_and_sentinels_each_get_their_own_user_and_password() {
        let address = parse(
            "redis-sentinel://ann:a%20b@s:1/2?sentinelServiceName=m&sentinelUsername=watch&sentinelPassword=c%2Fd",
        );
        let node = Server::new("r", 1);
        let redis = address.config(&node);
        let sentinel = address.sentinel_config(&node);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!((redis.username, redis.password, redis.database), (text("ann"), text("a b"), Some(2)));
        assert_eq!((sentinel.username, sentinel.password, sentinel.database), (text("watch"), text("c/d"), None));
        assert_eq!(redis.server, ServerConfig::Centralized { server: node });
    }

    #[test]
    fn every_server_and_sentinel_is_reached_over_tls_or_none_is() {
        for (text, has_tls) in [
            ("redis://r", false),
            ("rediss://r", true),
            ("rediss-sentinel://s?sentinelServiceName=m", true),
            ("rediss-cluster://c", true),
            ("rediss-shards://a?node=b:1", true),
            ("redis-cluster://c", false),
        ] {
            let address = parse(text);
            let node = Server::new("r", 1);
            let configs = [address.config(&node), address.sentinel_config(&node)];
            assert_eq!(configs.map(|config| config.tls.is_some()), [has_tls; 2], "{text}");
        }
    }

    #[test]
    fn an_invalid_address_is_refused_and_the_error_does_not_contain_it() {
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
            "redis://callback:@r",
            "rediss://callback@r",
            "redis-sentinel://callback:@s:1?sentinelServiceName=m",
            "redis-cluster://callback:@c:1",
            "redis-shards://callback:@c:1",
        ] {
            let error = text.parse::<RedisAddress>().map(drop).unwrap_err();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
        assert_eq!(format!("{:?}", parse("redis://ann:secret@r")), "redis://…");
    }

    #[test]
    fn a_ca_file_is_refused_if_it_is_missing_has_no_certificate_or_tls_is_off() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let trusting = |text: &str| parse(text).trusting(&file).map(drop).unwrap_err();
        assert!(trusting("rediss://r").contains("No such file"));
        std::fs::write(&file, "no certificate").unwrap();
        assert!(trusting("rediss://r").contains("certificate"));
        assert!(trusting("redis://r").contains("rediss"));
    }
}
