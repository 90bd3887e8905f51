//! Tells one replication history of a server from the next. No I/O but the question.
//!
//! A primary has written one history. When it is made a replica, it takes over that of its new primary, and forgets what
//! nobody else had. When it is promoted, it begins another. So what was written to a server is surely still there only as
//! long as the server has the same history.

use std::sync::Arc;

use fred::clients::Client;

use crate::{command::RedisCommand, reply::Reply};

/// The history that a server writes, or copies (`master_replid` of `INFO replication`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReplicationHistory(
    /// `None` if it doesn't tell: our user may not ask, or it isn't Redis. All such count as the same.
    Option<Arc<str>>,
);

impl ReplicationHistory {
    /// The command whose answer [`ReplicationHistory::read`] reads.
    pub(crate) fn command() -> RedisCommand {
        RedisCommand::new("INFO", ["replication"])
    }

    /// Asks a server.
    pub(crate) async fn ask(client: &Client) -> Self {
        Self::command().send(client).await.map(|info| Self::read(&info)).unwrap_or_default()
    }

    pub(crate) fn is_told(&self) -> bool {
        self.0.is_some()
    }

    /// Whether both are told, and differ.
    pub(crate) fn is_other_than(&self, before: &Self) -> bool {
        matches!((&self.0, &before.0), (Some(now), Some(before)) if now != before)
    }

    pub(crate) fn read(info: &Reply) -> Self {
        let info = info.as_str().unwrap_or_default();
        let id = info.lines().find_map(|line| line.strip_prefix("master_replid:")).map(str::trim);
        Self(id.filter(|id| !id.is_empty()).map(Arc::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(info: &str) -> ReplicationHistory {
        ReplicationHistory::read(&info.into())
    }

    #[test]
    fn a_history_is_known_by_the_id_that_the_server_tells() {
        let info = "# Replication\r\nrole:master\r\nmaster_replid:0f1e\r\nmaster_replid2:2d3c\r\n";
        assert_eq!(history(info), ReplicationHistory(Some("0f1e".into())));
        assert_ne!(history(info), history("master_replid:2d3c\r\n"));
    }

    #[test]
    fn servers_that_tell_no_history_count_as_the_same() {
        for info in ["", "role:master\r\n", "master_replid:\r\n", "master_replid2:2d3c\r\n"] {
            assert_eq!(history(info), ReplicationHistory::default(), "{info}");
        }
        assert_eq!(ReplicationHistory::read(&Reply::Null), ReplicationHistory::default());
    }
}
