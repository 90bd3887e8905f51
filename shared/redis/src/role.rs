//! What a server's answer to `ROLE` says. No I/O.

use fred::types::config::Server;

use crate::{command::array_items, reply::Reply};

/// Whether this answer to `ROLE` is a primary's.
pub(crate) fn is_primary(role: &Reply) -> bool {
    has_name(role, "master")
}

/// Whether this answer to `ROLE` is a sentinel's.
pub(crate) fn is_sentinel(role: &Reply) -> bool {
    has_name(role, "sentinel")
}

fn has_name(role: &Reply, name: &str) -> bool {
    array_items(role).first().and_then(Reply::as_str).is_some_and(|role| role == name)
}

/// A primary's answer to `ROLE`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PrimaryRole {
    /// How much it has written, in bytes of its replication stream.
    offset: u64,
    replicas: Vec<OnlineReplica>,
}

/// A replica that is connected and in sync, as its primary knows it.
#[derive(Debug, PartialEq, Eq)]
struct OnlineReplica {
    node: Server,
    /// How much of the stream it has acknowledged.
    acknowledged: u64,
}

impl PrimaryRole {
    /// `None` if the server is a replica, or says something else.
    pub(crate) fn parse(role: &Reply) -> Option<Self> {
        let [_, offset, replicas, ..] = array_items(role) else { return None };
        let replicas = array_items(replicas).iter().map(OnlineReplica::parse).collect::<Option<_>>()?;
        is_primary(role).then_some(Self { offset: offset.as_u64()?, replicas })
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn replica_count(&self) -> usize {
        self.replicas.len()
    }

    /// The replicas that have at least this much of the stream.
    pub(crate) fn replicas_at(&self, offset: u64) -> Vec<Server> {
        let have_it = self.replicas.iter().filter(|replica| replica.acknowledged >= offset);
        have_it.map(|replica| replica.node.clone()).collect()
    }
}

impl OnlineReplica {
    fn parse(replica: &Reply) -> Option<Self> {
        let [host, port, acknowledged, ..] = array_items(replica) else { return None };
        let port = number(port)?.try_into().ok()?;
        Some(Self { node: Server::new(&*host.as_str()?, port), acknowledged: number(acknowledged)? })
    }
}

/// Redis writes these numbers as text.
fn number(reply: &Reply) -> Option<u64> {
    reply.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, rest: Vec<Reply>) -> Reply {
        Reply::Array([Reply::from(name), Reply::Integer(42)].into_iter().chain(rest).collect())
    }

    fn replica(host: &str, port: &str, acknowledged: &str) -> Reply {
        Reply::Array(vec![host.into(), port.into(), acknowledged.into()])
    }

    #[test]
    fn a_primary_tells_which_replicas_have_how_much() {
        let replicas = vec![replica("10.0.0.2", "6379", "42"), replica("10.0.0.3", "6379", "41")];
        let role = PrimaryRole::parse(&role("master", vec![Reply::Array(replicas)])).unwrap();
        assert_eq!((role.offset(), role.replica_count()), (42, 2));
        assert_eq!(role.replicas_at(42), [Server::new("10.0.0.2", 6379)]);
        assert_eq!(role.replicas_at(41).len(), 2);
        assert_eq!(role.replicas_at(43), []);
    }

    #[test]
    fn what_no_primary_answers_is_none() {
        for answer in [
            Reply::Null,
            Reply::Array(vec![]),
            role("slave", vec![Reply::Integer(6379), "connected".into(), Reply::Integer(42)]),
            role("master", vec![Reply::Array(vec![Reply::Integer(1)])]),
            role("master", vec![Reply::Array(vec![replica("a", "65536", "1")])]),
            role("master", vec![Reply::Array(vec![replica("a", "1", "-1")])]),
        ] {
            assert_eq!(PrimaryRole::parse(&answer), None, "{answer:?}");
        }
    }
}
