//! One round: what is sent to the primary, and what the answers say. No I/O.

use fred::{error::Error, types::config::Server};

use crate::{
    command::RedisCommand, history::ReplicationHistory, reply::Reply, role::PrimaryRole,
    topology::acks::RequiredReplicas,
};

/// How long one `WAIT` may take, in milliseconds.
const WAIT_LIMIT_MS: &str = "1000";
/// How long a fence is kept, in milliseconds.
const FENCE_LIFE_MS: &str = "60000";

/// The commands of a round.
pub(super) fn commands(fence: &str, replicas: usize, names: bool) -> Vec<RedisCommand> {
    let set = RedisCommand::new("SET", [fence, "", "PX", FENCE_LIFE_MS]);
    let wait = RedisCommand::new("WAIT", [replicas.to_string().as_str(), WAIT_LIMIT_MS]);
    let history = ReplicationHistory::command();
    if names { vec![set, RedisCommand::role(), wait, RedisCommand::role(), history] } else { vec![set, wait, history] }
}

/// Who has acknowledged a round's fence.
pub(super) struct Acknowledgement {
    /// How many replicas.
    count: usize,
    /// Which ones, if that was asked.
    by: Option<Vec<Server>>,
    /// That of the server at the end of the round.
    pub(super) history: ReplicationHistory,
}

impl Acknowledgement {
    /// Reads the replies to [`commands`]. `None` if a command was refused, or the server is no primary.
    pub(super) fn parse(replies: &[Result<Reply, Error>]) -> Option<Self> {
        let (wait, by, history) = match replies {
            [Ok(_), Ok(wait), history] => (wait, None, history),
            [Ok(_), Ok(before), Ok(wait), Ok(after), history] => {
                let fence = PrimaryRole::parse(before)?.offset();
                (wait, Some(PrimaryRole::parse(after)?.replicas_at(fence)), history)
            }
            _ => return None,
        };
        let history = history.as_ref().map(ReplicationHistory::read).unwrap_or_default();
        Some(Self { count: usize::try_from(wait.as_u64()?).ok()?, by, history })
    }

    pub(super) fn meets(&self, required: &RequiredReplicas) -> bool {
        let has_the_named = || self.by.as_ref().is_some_and(|by| required.are_met_by(by));
        self.count >= required.count && (required.named.is_empty() || has_the_named())
    }
}
