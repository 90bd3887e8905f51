//! Asks Redis whether our user may do what this pod will do, before a login needs it.
//!
//! `ACL DRYRUN` says so without doing it. A right may be missing at one server only: users are not replicated.
//!
//! See docs/decisions/035-a-missing-right-stops-a-login-before-it-is-stored.md.

use std::time::Duration;

use fred::{clients::Client, types::config::Server};
use prometheus::IntGaugeVec;
use tokio::time::sleep;

use crate::{
    command::{RedisCommand, send_all},
    connection::pool::ConnectionPool,
    error::is_forbidden,
    inspection::{
        each_connection::{PrimaryConnection, for_each_connection},
        series::PrimarySeries,
    },
    reply::Reply,
    topology::refresher::Topology,
};

/// What connections themselves need, whatever they are for.
pub(crate) const CONNECTION_RIGHTS: &[&str] = &["ping", "role", "info", "time"];
/// What connections to the nodes of a Cluster need beside that.
pub(crate) const CLUSTER_RIGHTS: &[&str] = &["cluster slots", "cluster nodes", "asking"];

/// How often it is asked again while a right is missing. Redis keeps the connections of a user that it is granted to.
const RECHECK_PERIOD: Duration = Duration::from_secs(5);

/// One part of a pod, and the commands that it sends.
#[derive(Debug, Clone)]
pub(crate) struct PartRights {
    pub(crate) part: &'static str,
    pub(crate) commands: Vec<String>,
    pub(crate) user: String,
    /// By primary and part, how many of the commands its user may not send there.
    pub(crate) missing: IntGaugeVec,
}

impl PartRights {
    /// Checks at each primary, whenever it is connected to. `nodes` are the connections for commands.
    pub(crate) fn watch(self, topology: &Topology, nodes: &ConnectionPool) {
        let check = move |connection| self.clone().check(connection);
        tokio::spawn(for_each_connection(topology.clone(), nodes.clone(), check));
    }

    async fn check(self, connection: PrimaryConnection) {
        let PrimaryConnection { node, client, .. } = connection;
        let series = PrimarySeries::new(self.missing.clone(), vec![node.to_string(), self.part.to_owned()]);
        let mut told: Vec<&str> = vec![];
        while let Some(refused) = self.refused(&node, &client).await {
            series.value().set(i64::try_from(refused.len()).unwrap_or(i64::MAX));
            match &refused[..] {
                [] if told.is_empty() => {}
                [] => tracing::info!(%node, part = self.part, "Redis allows this pod's user all that it needs again"),
                _ if refused == told => {}
                _ => tracing::error!(
                    %node, user = self.user, part = self.part, refused = refused.join(", "),
                    "Redis forbids this pod's user what it needs, so logins fail or come late; load \
                     deploy/redis/users.acl of this version at this server"
                ),
            }
            if refused.is_empty() {
                // Until the connection ends, and this task with it.
                std::future::pending::<()>().await;
            }
            told = refused;
            sleep(RECHECK_PERIOD).await;
        }
    }

    /// The commands that Redis forbids. `None` if it doesn't tell.
    async fn refused(&self, node: &Server, client: &Client) -> Option<Vec<&str>> {
        let dry_run = |command: &String| RedisCommand::new("acl", ["dryrun", &self.user]).with_args(command.split(' '));
        let commands: Vec<_> = self.commands.iter().map(dry_run).collect();
        let mut refused = vec![];
        for (command, answer) in self.commands.iter().zip(send_all(client, &commands, false).await) {
            match answer {
                Ok(verdict) if is_refusal(&verdict) => refused.push(command.as_str()),
                Ok(_) => {}
                Err(error) if is_forbidden(&error) => {
                    tracing::info!(
                        %node, part = self.part,
                        "can't check what the Redis user of this pod may do; to have it checked, grant +acl|dryrun"
                    );
                    return None;
                }
                // Some services have no ACL command. Or the connection is lost, and the next one is checked.
                Err(error) => {
                    tracing::debug!(%node, %error, "couldn't check what the Redis user of this pod may do");
                    return None;
                }
            }
        }
        Some(refused)
    }
}

/// `ACL DRYRUN` answers `OK`, or says in words what is forbidden. The words differ from version to version.
fn is_refusal(verdict: &Reply) -> bool {
    verdict.as_str().is_some_and(|verdict| verdict != "OK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_words_a_refusal_is_one() {
        for (verdict, is_one) in [
            ("OK", false),
            // Redis 7.0, then 7.2 and newer.
            ("This user has no permissions to run the 'get' command", true),
            ("User callback has no permissions to run the 'get' command", true),
            ("User callback has no permissions to access the 'wx:scene' channel", true),
        ] {
            assert_eq!(is_refusal(&Reply::from(verdict)), is_one, "{verdict}");
        }
    }
}
