//! Says when there isn't one primary behind an address that should lead to one.
//!
//! | behind the address | what goes wrong | how it is noticed |
//! |---|---|---|
//! | a proxy that sends reads to replicas | what was just stored isn't found: a page isn't told, a site can't redeem | what was just written isn't read |
//! | several primaries, taken in turn | what one connection publishes, another doesn't hear; keys are at one and looked for at another | two connections lead to different runs of Redis |
//!
//! Only the addresses of single servers are looked at. Sentinels and the nodes of a Cluster name servers themselves.
//!
//! See docs/decisions/087-one-address-leads-to-one-primary.md.

use std::time::Duration;

use fred::{clients::Client, types::config::Server};
use tokio::time::sleep;

use crate::{
    client::Redis,
    command::{RedisCommand, send_all},
    connection::pool::ConnectionPool,
    inspection::{
        each_connection::{PrimaryConnection, for_each_connection},
        server_run::ServerRun,
    },
    reply::Reply,
};

/// How often it is looked again. Replicas are late only sometimes.
const PERIOD: Duration = Duration::from_secs(10);
/// How many writes are read again at a time. Replicas have most within microseconds.
const ROUNDS: u64 = 32;
/// How long what is written stays, in milliseconds.
const LIFE_MS: &str = "60000";
/// How often two connections are compared. They may lead to different servers once: in a failover one of them notices it
/// after the other.
const COMPARE_PERIOD: Duration = Duration::from_secs(2);

impl Redis {
    /// Looks whether what is written is read again at once, and whether all connections lead to one server, where an address
    /// should lead to a single one. Says so if not. `key` is written and read for that, and is used for nothing else.
    pub fn check_address(&self, key: String) {
        if self.has_fixed_primaries() {
            self.compare_runs(&self.acknowledgements);
            let check = move |connection| check_reads(connection, key.clone());
            tokio::spawn(for_each_connection(self.router.topology().clone(), self.router.pool().clone(), check));
        }
    }

    /// Compares the servers to which these connections lead with those of the connections for commands.
    pub(crate) fn compare_runs(&self, others: &ConnectionPool) {
        if self.has_fixed_primaries() {
            let others = others.clone();
            let compare = move |connection| check_runs(connection, others.clone());
            tokio::spawn(for_each_connection(self.router.topology().clone(), self.router.pool().clone(), compare));
        }
    }
}

/// Writes to this key, and says if it isn't read again. Until it is cancelled, or has said so.
async fn check_reads(connection: PrimaryConnection, key: String) {
    let PrimaryConnection { node, client, .. } = connection;
    while !has_stale_read(&client, &key).await {
        sleep(PERIOD).await;
    }
    tracing::error!(
        %node,
        "what was just written to Redis isn't read again: a proxy at this address sends reads to replicas, so logins are lost \
         or late and sites can't redeem them. Have bus.url name the primary itself, or a port of the proxy that sends \
         everything to the primary"
    );
}

/// Whether one of several reads is older than the write before it.
async fn has_stale_read(client: &Client, key: &str) -> bool {
    let rounds = (0..ROUNDS).map(|round| round.to_string());
    let write_and_read = |value: String| {
        [RedisCommand::new("HSET", [key, "written", &value]), RedisCommand::new("HMGET", [key, "written"])]
    };
    let mut commands: Vec<_> = rounds.clone().flat_map(write_and_read).collect();
    commands.push(RedisCommand::new("PEXPIRE", [key, LIFE_MS]));
    let answers = send_all(client, &commands, false).await;
    rounds.zip(answers.chunks(2)).any(|(value, pair)| match pair {
        [Ok(_), Ok(read)] => !reads(read, &value),
        // The connection ended, or Redis takes no writes now.
        _ => false,
    })
}

/// Whether this answer to `HMGET` has this one value.
fn reads(answer: &Reply, value: &str) -> bool {
    matches!(answer.clone().convert::<Vec<Option<String>>>(), Ok(fields) if fields == [Some(value.to_owned())])
}

/// Compares the server of this connection with the one to which the connection in `others` leads. Says if it stays another.
/// Until it is cancelled, or has said so.
async fn check_runs(connection: PrimaryConnection, others: ConnectionPool) {
    let PrimaryConnection { node, client, .. } = connection;
    let mut differed = false;
    loop {
        sleep(COMPARE_PERIOD).await;
        let differs = leads_elsewhere(&node, &client, &others).await;
        if differs && differed {
            break;
        }
        differed = differs;
    }
    tracing::error!(
        %node,
        "connections to this address lead to different Redis servers, so logins are lost. If a proxy or a Service is there, \
         let it lead to one primary only. If these primaries share the keys, name each of them in bus.url, as redis-cluster \
         or redis-shards"
    );
}

async fn leads_elsewhere(node: &Server, client: &Client, others: &ConnectionPool) -> bool {
    let other = others.get_existing(node).and_then(|other| other.state().borrow().connected_client().cloned());
    let Some(other) = other else { return false };
    let (one, other) = tokio::join!(ServerRun::ask(client), ServerRun::ask(&other));
    let id = |run: Option<ServerRun>| run.and_then(|run| run.id);
    matches!((id(one), id(other)), (Some(one), Some(other)) if one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_is_a_fresh_read() {
        let answer = |field| Reply::Array(vec![field]);
        assert!(reads(&answer("7".into()), "7"));
        for stale in [answer("6".into()), answer(Reply::Null), Reply::Array(vec![]), Reply::Null] {
            assert!(!reads(&stale, "7"), "{stale:?}");
        }
    }
}
