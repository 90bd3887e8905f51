//! Asks Redis whether our user may do what this pod will do, before a login needs it.
//!
//! `ACL DRYRUN` says so without doing it. A right may be missing at one server only: users are not replicated. Where
//! there is no `ACL DRYRUN` (before Redis 7.0, behind some proxies), it is at least asked which commands are known.
//!
//! See docs/decisions/035-a-missing-right-stops-a-login-before-it-is-stored.md.

use std::{collections::HashSet, time::Duration};

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    types::config::Server,
};
use prometheus::IntGaugeVec;
use tokio::time::sleep;

use crate::{
    command::{RedisCommand, send_all, send_bare},
    connection::pool::ConnectionPool,
    error::{connection_ended, is_forbidden, is_unknown_command},
    inspection::{
        each_connection::{PrimaryConnection, for_each_connection},
        series::PrimarySeries,
        settings::redis_version,
    },
    reply::Reply,
    topology::refresher::Topology,
};

/// What connections themselves need, whatever they are for.
pub(crate) const CONNECTION_RIGHTS: &[&str] = &["ping", "role", "info", "time"];
/// What connections to the nodes of a Cluster need beside that.
pub(crate) const CLUSTER_RIGHTS: &[&str] = &["cluster slots", "cluster nodes", "asking"];

/// Commands that are never sent only to ask whether they are known. The first is answered by a message, not by an
/// answer; a server knows it if it knows `SSUBSCRIBE`. The second says something of the next command on the connection,
/// which another task may send.
const NEVER_SENT_TO_ASK: [&str; 2] = ["sunsubscribe", "asking"];

/// How often it is asked again while a right is missing. Redis keeps the connections of a user that it is granted to.
const RECHECK_PERIOD: Duration = Duration::from_secs(5);

/// One part of a pod, and the commands that it sends.
#[derive(Debug, Clone)]
pub(crate) struct PartRights {
    pub(crate) part: &'static str,
    pub(crate) commands: Vec<String>,
    pub(crate) user: String,
    /// By primary and part, how many of the commands can't be sent there.
    pub(crate) missing: IntGaugeVec,
}

/// The commands that a part of a pod needs, and that a server won't carry out.
#[derive(Debug, PartialEq, Eq)]
struct Lacks<'a> {
    /// The user may not send them.
    forbidden: Vec<&'a str>,
    /// The server doesn't know them.
    unknown: Vec<&'a str>,
    /// The server doesn't say what is forbidden.
    rights_are_unknown: bool,
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
        let mut told = Lacks::NOTHING;
        while let Some(lacks) = self.ask(&node, &client).await {
            series.value().set(i64::try_from(lacks.count()).unwrap_or(i64::MAX));
            if lacks != told {
                self.log(&node, &client, &lacks).await;
            }
            if lacks.count() == 0 {
                // Until the connection ends, and this task with it.
                std::future::pending::<()>().await;
            }
            told = lacks;
            sleep(RECHECK_PERIOD).await;
        }
    }

    /// Says what is lacking now, after something else was lacking.
    async fn log(&self, node: &Server, client: &Client, lacks: &Lacks<'_>) {
        if *lacks == Lacks::NOTHING {
            tracing::info!(%node, part = self.part, "Redis allows this pod's user all that it needs again");
            return;
        }
        if lacks.rights_are_unknown {
            tracing::info!(
                %node, part = self.part,
                "can't check what the Redis user of this pod may do, only which commands are known; to have it checked, \
                 grant +acl|dryrun"
            );
        }
        let version = redis_version(client).await;
        if !lacks.forbidden.is_empty() {
            tracing::error!(
                %node, version, user = self.user, part = self.part, refused = lacks.forbidden.join(", "),
                "Redis forbids this pod's user what it needs, so logins fail or come late; load \
                 deploy/redis/users.acl of this version at this server"
            );
        }
        if !lacks.unknown.is_empty() {
            tracing::error!(
                %node, version, part = self.part, unknown = lacks.unknown.join(", "),
                "Redis, or a proxy before it, doesn't know commands that this pod needs, so logins fail or come late. \
                 Redis 7.0 or newer is needed, without rename-command, and without a proxy that knows fewer commands"
            );
        }
    }

    /// What is lacking at this server. `None` if it doesn't tell.
    async fn ask(&self, node: &Server, client: &Client) -> Option<Lacks<'_>> {
        let dry_run = |command: &String| RedisCommand::new("acl", ["dryrun", &self.user]).with_args(command.split(' '));
        let commands: Vec<_> = self.commands.iter().map(dry_run).collect();
        let mut lacks = Lacks::NOTHING;
        for (command, answer) in self.commands.iter().zip(send_all(client, &commands, false).await) {
            match answer {
                Ok(verdict) if is_refusal(&verdict) => lacks.forbidden.push(command),
                Ok(_) => {}
                Err(error) if says_not_found(&error) => lacks.unknown.push(command),
                Err(error) if is_forbidden(&error) || is_unknown_command(&error) => {
                    return self.ask_which_are_known(client).await;
                }
                // The connection is lost, and the next one is checked.
                Err(error) => {
                    tracing::debug!(%node, %error, "couldn't check what the Redis user of this pod may do");
                    return None;
                }
            }
        }
        Some(lacks)
    }

    /// [`PartRights::ask`] where the server doesn't say what our user may do. Each command is sent without arguments: a
    /// server that knows it says that they are missing, and does nothing. Only commands that need none are carried out;
    /// they change nothing.
    async fn ask_which_are_known(&self, client: &Client) -> Option<Lacks<'_>> {
        let mut lacks = Lacks { rights_are_unknown: true, ..Lacks::NOTHING };
        let mut asked = HashSet::from(NEVER_SENT_TO_ASK);
        for name in self.commands.iter().map(name_of) {
            if !asked.insert(name) {
                continue;
            }
            let lacking = match send_bare(client, name).await {
                Err(error) if is_unknown_command(&error) => &mut lacks.unknown,
                Err(error) if is_forbidden(&error) => &mut lacks.forbidden,
                Err(error) if *error.kind() == ErrorKind::Timeout || connection_ended(&error) => {
                    return None;
                }
                Ok(_) | Err(_) => continue,
            };
            lacking.extend(self.commands.iter().map(String::as_str).filter(|command| name_of(command) == name));
        }
        Some(lacks)
    }
}

impl Lacks<'_> {
    const NOTHING: Self = Self { forbidden: vec![], unknown: vec![], rights_are_unknown: false };

    fn count(&self) -> usize {
        self.forbidden.len() + self.unknown.len()
    }
}

/// The name of a command that is written with arguments.
fn name_of(command: &(impl AsRef<str> + ?Sized)) -> &str {
    command.as_ref().split(' ').next().unwrap_or_default()
}

/// Whether `ACL DRYRUN` doesn't know the command that it is asked about.
fn says_not_found(error: &Error) -> bool {
    error.details().starts_with("ERR Command '") && error.details().ends_with("' not found")
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
