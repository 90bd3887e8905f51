//! Sends each command to the primary that owns its key's slot, and follows MOVED and ASK.
//!
//! ```text
//!  key ─▶ slot ─▶ owner in the slot table ─▶ send ─▶ answer ──────────────▶ done
//!                        ▲                    ▲        │
//!                        │                    │        ├─ MOVED: refresh the table, use the named server
//!                        │                    └────────┼─ ASK:   use the named server, with ASKING
//!                        │                             │         (after two redirects in a row: 50 ms pause)
//!                        └──── 50 ms pause ◀───────────┴─ TryAgain: refresh the table
//! ```
//!
//! All of this ends after [`COMMAND_LIMIT`]. A command may be carried out twice, if its first answer was lost or only a
//! part of a batch was answered. So only commands that are harmless to repeat may be sent this way.

use std::{collections::HashMap, time::Duration};

use fred::{error::Error, types::config::Server};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    command::{RedisCommand, send_all},
    connection::{client_settings::COMMAND_LIMIT, pool::ConnectionPool},
    error::{RedisError, RedisErrorKind, error_code},
    history::ReplicationHistory,
    inspection::refusals::RefusalCounter,
    reply::Reply,
    routing::redirect::Redirect,
    topology::{refresher::Topology, slots::Slot},
};

/// The pause before a command is sent again.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// How many redirects are followed without a pause. Servers that disagree about a slot redirect to each other.
const MAX_REDIRECTS_IN_A_ROW: usize = 2;

/// One answer for each command, in their order.
type Replies = Vec<Result<Reply, Error>>;

/// The answers to commands, and who gave them.
pub(crate) struct RoutedReplies {
    pub(crate) replies: Replies,
    pub(crate) node: Server,
    /// Whether the slot's owner sent us to `node` by ASK. Until the slot has moved, subscribers stay at the owner.
    pub(crate) is_ask_target: bool,
    /// That of `node` before the commands.
    pub(crate) history: ReplicationHistory,
}

/// Sends commands to the owners of their keys' slots. Clones share the connections.
#[derive(Clone)]
pub(crate) struct CommandRouter {
    pool: ConnectionPool,
    topology: Topology,
    refusals: RefusalCounter,
    /// Whether servers say which other one has a slot. Only nodes of a Cluster may: of any others nobody knows the replicas.
    follows_redirects: bool,
}

impl CommandRouter {
    pub(crate) fn new(
        pool: ConnectionPool,
        topology: Topology,
        refusals: RefusalCounter,
        follows_redirects: bool,
    ) -> Self {
        Self { pool, topology, refusals, follows_redirects }
    }

    pub(crate) fn pool(&self) -> &ConnectionPool {
        &self.pool
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Sends commands for one key, in this order, with no other command between them.
    pub(crate) async fn execute(&self, key: &str, commands: &[RedisCommand]) -> Result<RoutedReplies, RedisError> {
        let slot = Slot::of(key);
        let deadline = Instant::now() + COMMAND_LIMIT;
        let mut node = self.owner(slot, deadline).await?;
        let mut asking = false;
        let mut redirects_in_a_row = 0;
        loop {
            let (replies, history) = self.send(&node, commands, asking, deadline).await?;
            let redirect = replies.iter().find_map(|reply| Redirect::from_error(reply.as_ref().err()?, &node));
            let may_follow = |redirect: &Redirect| {
                Instant::now() + RETRY_DELAY <= deadline && (self.follows_redirects || *redirect == Redirect::TryAgain)
            };
            let Some(redirect) = redirect.filter(may_follow) else {
                return Ok(RoutedReplies { replies, node, is_ask_target: asking, history });
            };
            if redirect == Redirect::TryAgain || redirects_in_a_row == MAX_REDIRECTS_IN_A_ROW {
                redirects_in_a_row = 0;
                sleep(RETRY_DELAY).await;
            } else {
                redirects_in_a_row += 1;
            }
            match redirect {
                Redirect::Moved(owner) => {
                    self.topology.request_refresh();
                    node = owner;
                    asking = false;
                }
                Redirect::Ask(importing) => {
                    node = importing;
                    asking = true;
                }
                Redirect::TryAgain => {
                    if replies.iter().any(is_replicas_refusal) {
                        self.pool.get(&node).doubt();
                    }
                    self.topology.request_refresh();
                    node = self.owner(slot, deadline).await?;
                    asking = false;
                }
            }
        }
    }

    /// [`CommandRouter::execute`] with one command.
    pub(crate) async fn execute_one(&self, key: &str, command: RedisCommand) -> Result<Reply, RedisError> {
        let mut routed = self.execute(key, &[command]).await?;
        Ok(routed.replies.pop().unwrap_or_else(|| Err(Error::new_canceled()))?)
    }

    /// Sends the same commands for each of many keys, one batch to each server at the same time. Returns the answers
    /// of each key, in the order of the keys. An error for one key doesn't affect the others.
    pub(crate) async fn execute_each(
        &self,
        keys: &[String],
        commands: impl Fn(&str) -> Vec<RedisCommand>,
    ) -> Vec<Result<Replies, RedisError>> {
        if let [key] = keys {
            return vec![self.execute(key, &commands(key)).await.map(|routed| routed.replies)];
        }
        let deadline = Instant::now() + COMMAND_LIMIT;
        let table = self.topology.table();
        let mut by_owner: HashMap<Option<&Server>, Vec<usize>> = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            by_owner.entry(table.owner(Slot::of(key))).or_default().push(index);
        }
        let batches = by_owner.into_iter().map(async |(owner, indexes)| {
            let batch: Vec<_> = indexes.iter().map(|index| (&*keys[*index], commands(&keys[*index]))).collect();
            let outcomes = self.execute_batch(owner, &batch, deadline).await;
            indexes.into_iter().zip(outcomes).collect::<Vec<_>>()
        });
        let mut outcomes: Vec<_> = join_all(batches).await.into_iter().flatten().collect();
        outcomes.sort_unstable_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Sends the commands of several keys to the owner of their slots. Keys that it redirects are sent again, one by
    /// one.
    async fn execute_batch(
        &self,
        owner: Option<&Server>,
        batch: &[(&str, Vec<RedisCommand>)],
        deadline: Instant,
    ) -> Vec<Result<Replies, RedisError>> {
        let Some(node) = owner else { return vec![Err(no_primary()); batch.len()] };
        let commands: Vec<_> = batch.iter().flat_map(|(_, commands)| commands.iter().cloned()).collect();
        let mut replies = match self.send(node, &commands, false, deadline).await {
            Ok((replies, _)) => replies.into_iter(),
            Err(error) => return vec![Err(error); batch.len()],
        };
        let mut outcomes = Vec::with_capacity(batch.len());
        for (key, commands) in batch {
            let replies: Replies = replies.by_ref().take(commands.len()).collect();
            let outcome = if replies.iter().any(|reply| is_redirected(reply, node)) {
                self.execute(key, commands).await.map(|routed| routed.replies)
            } else {
                Ok(replies)
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn send(
        &self,
        node: &Server,
        commands: &[RedisCommand],
        asking: bool,
        deadline: Instant,
    ) -> Result<(Replies, ReplicationHistory), RedisError> {
        let connection = self.pool.get(node);
        let permit = match connection.permit(deadline).await {
            Ok(permit) => permit,
            // Another server may own the slots by now.
            Err(_) if connection.was_removed() => {
                return Ok((vec![Err(Error::new_canceled()); commands.len()], ReplicationHistory::default()));
            }
            Err(error) => return Err(error),
        };
        let replies = timeout_at(deadline, send_all(&permit.client, commands, asking)).await;
        let replies = replies.map_err(|_| RedisError::timed_out(node))?;
        self.refusals.observe(node, &replies);
        Ok((replies, permit.history))
    }

    /// The slot's primary. While it has none, waits for one until the deadline.
    async fn owner(&self, slot: Slot, deadline: Instant) -> Result<Server, RedisError> {
        if let Some(node) = self.topology.table().owner(slot) {
            return Ok(node.clone());
        }
        let mut tables = self.topology.subscribe();
        let table = timeout_at(deadline, tables.wait_for(|table| table.owner(slot).is_some())).await;
        let owner = table.ok().and_then(|table| table.ok()?.owner(slot).cloned());
        owner.ok_or_else(no_primary)
    }
}

fn is_redirected(reply: &Result<Reply, Error>, node: &Server) -> bool {
    let redirect = reply.as_ref().err().and_then(|error| Redirect::from_error(error, node));
    matches!(redirect, Some(Redirect::Moved(_) | Redirect::Ask(_)))
}

/// Whether only a replica, or a server that starts, answers so.
fn is_replicas_refusal(reply: &Result<Reply, Error>) -> bool {
    reply.as_ref().is_err_and(|error| matches!(error_code(error), "READONLY" | "MASTERDOWN" | "LOADING"))
}

fn no_primary() -> RedisError {
    RedisError::new(RedisErrorKind::NoPrimary, "no primary of Redis is known for this key")
}
