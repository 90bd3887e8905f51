//! Warns in the log about a Redis server whose configuration can lose scenes, as far as `INFO` tells.
//!
//! Not all can be seen: `appendfsync` and `min-replicas-to-write` are told only by `CONFIG GET`, which also tells
//! passwords, so that no pod may run it.
//!
//! See docs/decisions/035-a-missing-right-stops-a-login-before-it-is-stored.md.

use fred::{clients::Client, types::config::Server};

use crate::{command::RedisCommand, inspection::each_connection::PrimaryConnection, reply::Reply};

/// The first major version that has sharded pub/sub.
const MIN_MAJOR_VERSION: u32 = 7;

/// What is wrong with a server, or can't be seen.
#[derive(Debug, PartialEq, Eq)]
enum Finding<'a> {
    /// A node of a Cluster, which `bus.url` takes for a server with all keys.
    NodeOfCluster,
    TooOld {
        version: &'a str,
    },
    Evicts {
        policy: &'a str,
    },
    /// It has neither a replica nor a file.
    ForgetsAll,
    /// It has no replica. The file may be written up to a second late.
    MayForgetASecond,
}

/// `has_nodes` is whether `bus.url` names a Cluster. Says nothing about a server that doesn't answer. That our user may not
/// run `INFO`, the check of rights says.
pub(crate) async fn check(connection: PrimaryConnection, has_nodes: bool) {
    let PrimaryConnection { node, client, .. } = connection;
    let answer = RedisCommand::new("INFO", [""; 0]).send(&client).await;
    let Some(info) = answer.ok().and_then(Reply::into_string) else { return };
    if fact(&info, "redis_mode:") == Some("cluster") && !has_nodes {
        Finding::NodeOfCluster.log(&node);
    }
    for finding in findings(&info) {
        finding.log(&node);
    }
}

/// The version that a server says it has; "unknown" if it doesn't say.
pub(crate) async fn redis_version(client: &Client) -> String {
    let answer = RedisCommand::new("INFO", ["server"]).send(client).await;
    let info = answer.ok().and_then(Reply::into_string).unwrap_or_default();
    fact(&info, "redis_version:").unwrap_or("unknown").to_owned()
}

/// The value after this name in the answer to `INFO`.
fn fact<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn findings(info: &str) -> Vec<Finding<'_>> {
    let fact = |name| fact(info, name);
    let mut findings = vec![];
    let version = fact("redis_version:").unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < MIN_MAJOR_VERSION) {
        findings.push(Finding::TooOld { version });
    }
    if let Some(policy) = fact("maxmemory_policy:").filter(|policy| *policy != "noeviction") {
        findings.push(Finding::Evicts { policy });
    }
    match (fact("connected_slaves:"), fact("aof_enabled:")) {
        (Some("0"), Some("0")) => findings.push(Finding::ForgetsAll),
        (Some("0"), Some("1")) => findings.push(Finding::MayForgetASecond),
        _ => {}
    }
    findings
}

impl Finding<'_> {
    fn log(&self, node: &Server) {
        match self {
            Self::NodeOfCluster => tracing::error!(
                %node,
                "this server is a node of a Redis Cluster, and bus.url takes it for one with all keys: logins whose keys \
                 other nodes have fail, and a failover isn't followed. Begin bus.url with redis-cluster"
            ),
            Self::TooOld { version } => {
                tracing::warn!(%node, version, "Redis is too old for sharded pub/sub; upgrade it to 7.0 or newer");
            }
            Self::Evicts { policy } => tracing::warn!(
                %node, policy,
                "Redis may evict scenes while their pages are open, so logins fail; set maxmemory-policy to noeviction"
            ),
            Self::ForgetsAll => tracing::warn!(
                %node,
                "this Redis has no replica and no append-only file: if it stops, it loses all logins that aren't redeemed \
                 yet and all webhooks that wait. Give it replicas, or set appendonly yes and appendfsync always; see \
                 docs/redis.md"
            ),
            Self::MayForgetASecond => tracing::info!(
                %node,
                "this Redis has no replica, and this pod can't see its appendfsync: unless that is always, Redis loses up \
                 to a second of logins if it is killed; see docs/redis.md"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, policy: &str, replicas: &str, aof: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n\r\n# Memory\r\nmaxmemory:0\r\n\
             maxmemory_policy:{policy}\r\n\r\n# Persistence\r\nloading:0\r\naof_enabled:{aof}\r\n\r\n\
             # Replication\r\nrole:master\r\nconnected_slaves:{replicas}\r\n"
        )
    }

    #[test]
    fn what_can_lose_logins_is_found() {
        for (info, expected) in [
            (info("7.0.15", "noeviction", "1", "1"), vec![]),
            (info("7.0.15", "noeviction", "2", "0"), vec![]),
            (info("7.0.15", "noeviction", "0", "1"), vec![Finding::MayForgetASecond]),
            (info("8.2.0", "noeviction", "0", "0"), vec![Finding::ForgetsAll]),
            (info("6.2.14", "noeviction", "1", "1"), vec![Finding::TooOld { version: "6.2.14" }]),
            (info("7.0.15", "volatile-lru", "1", "1"), vec![Finding::Evicts { policy: "volatile-lru" }]),
            (
                info("6.0.0", "allkeys-lfu", "0", "0"),
                vec![
                    Finding::TooOld { version: "6.0.0" },
                    Finding::Evicts { policy: "allkeys-lfu" },
                    Finding::ForgetsAll,
                ],
            ),
        ] {
            assert_eq!(findings(&info), expected, "{info}");
        }
    }

    #[test]
    fn what_a_service_does_not_tell_is_not_guessed() {
        for info in
            ["", "maxmemory_policy:noeviction\r\n", "redis_version:next\r\nconnected_slaves:0\r\n", "aof_enabled:0"]
        {
            assert_eq!(findings(info), [], "{info}");
        }
    }
}
