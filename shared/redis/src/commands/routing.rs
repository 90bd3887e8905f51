//! Sends what concerns a key to whoever owns its slot, and follows it where it goes.

use std::{collections::HashMap, time::Duration};

use fred::{error::Error, types::config::Server};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    commands::{
        command::{RedisCommand, send_all},
        redirect::Redirect,
    },
    connection::{managed::COMMAND_LIMIT, pool::ConnectionPool},
    error::{RedisError, RedisErrorKind},
    reply::Reply,
    topology::{refresher::Topology, slots::Slot},
};

/// How long to wait for who can't answer now.
const PAUSE: Duration = Duration::from_millis(50);
/// Redirections at a time without a pause: nodes that don't agree yet send one another's clients to and fro.
const HOPS: usize = 2;

/// What was answered, and by whom.
pub(crate) struct RoutedReplies {
    /// One for each command.
    pub(crate) answers: Vec<Result<Reply, Error>>,
    pub(crate) by: Server,
    /// Whether it was passed on by the slot's owner, who keeps its subscribers until the slot has moved.
    pub(crate) passed_on: bool,
}

/// Sends commands to the owners of their keys' slots. Clones share the connections.
#[derive(Clone)]
pub(crate) struct CommandRouter {
    pool: ConnectionPool,
    topology: Topology,
}

impl CommandRouter {
    pub(crate) fn new(pool: ConnectionPool, topology: Topology) -> Self {
        Self { pool, topology }
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Sends commands on this key, in this order and with nothing between them. They are sent again
    /// where only some were done, as where an answer is lost: each is harmless to repeat.
    pub(crate) async fn execute(&self, key: &str, commands: &[RedisCommand]) -> Result<RoutedReplies, RedisError> {
        let slot = Slot::of(key);
        let deadline = Instant::now() + COMMAND_LIMIT;
        let mut hops = 0;
        let (mut node, mut asking) = (self.owner(slot, deadline).await?, false);
        loop {
            let answers = self.send(&node, commands, asking, deadline).await?;
            let redirect = answers.iter().find_map(|answer| Redirect::of(answer.as_ref().err()?, &node));
            if redirect.is_none() || Instant::now() + PAUSE > deadline {
                return Ok(RoutedReplies { answers, by: node, passed_on: asking });
            }
            if redirect != Some(Redirect::Later) && hops < HOPS {
                hops += 1;
            } else {
                hops = 0;
                sleep(PAUSE).await;
            }
            if !matches!(redirect, Some(Redirect::Ask(_))) {
                self.topology.hint();
            }
            (node, asking) = match redirect {
                Some(Redirect::Moved(to)) => (to, false),
                Some(Redirect::Ask(to)) => (to, true),
                Some(Redirect::Later) | None => (self.owner(slot, deadline).await?, false),
            };
        }
    }

    /// The same with one command.
    pub(crate) async fn execute_one(&self, key: &str, command: RedisCommand) -> Result<Reply, RedisError> {
        let mut answered = self.execute(key, &[command]).await?;
        Ok(answered.answers.pop().unwrap_or_else(|| Err(Error::new_canceled()))?)
    }

    /// The same commands for each of many keys, all at a time; answers each key's. What is redirected
    /// is asked again alone.
    pub(crate) async fn execute_each(
        &self,
        keys: &[String],
        commands: impl Fn(&str) -> Vec<RedisCommand>,
    ) -> Vec<Result<Vec<Result<Reply, Error>>, RedisError>> {
        if let [key] = keys {
            return vec![self.execute(key, &commands(key)).await.map(|answered| answered.answers)];
        }
        let deadline = Instant::now() + COMMAND_LIMIT;
        let table = self.topology.now();
        let mut by_node: HashMap<Option<&Server>, Vec<usize>> = HashMap::new();
        for (place, key) in keys.iter().enumerate() {
            by_node.entry(table.owner(Slot::of(key))).or_default().push(place);
        }
        let asked = join_all(by_node.into_iter().map(async |(node, places)| {
            let Some(node) = node else { return places.into_iter().map(|place| (place, Err(nobody()))).collect() };
            let all: Vec<_> = places.iter().map(|place| commands(&keys[*place])).collect();
            let answers = self.send(node, &all.concat(), false, deadline).await;
            let mut answers = answers.map(Vec::into_iter);
            let mut each = Vec::with_capacity(places.len());
            for (place, commands) in places.into_iter().zip(all) {
                let answer = match &mut answers {
                    Ok(answers) => Ok(answers.by_ref().take(commands.len()).collect::<Vec<_>>()),
                    Err(error) => Err(error.clone()),
                };
                let goes_elsewhere = |answer: &Result<Reply, Error>| {
                    let redirect = Redirect::of(answer.as_ref().err()?, node);
                    redirect.filter(|redirect| *redirect != Redirect::Later)
                };
                let answer = match answer {
                    Ok(answers) if answers.iter().any(|answer| goes_elsewhere(answer).is_some()) => {
                        self.execute(&keys[place], &commands).await.map(|answered| answered.answers)
                    }
                    answer => answer,
                };
                each.push((place, answer));
            }
            each
        }));
        let mut answers: Vec<_> = asked.await.into_iter().flatten().collect();
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Sends commands to this node.
    pub(crate) async fn send(
        &self,
        node: &Server,
        commands: &[RedisCommand],
        asking: bool,
        deadline: Instant,
    ) -> Result<Vec<Result<Reply, Error>>, RedisError> {
        let connection = self.pool.to(node);
        let permit = connection.permit()?;
        let sent = timeout_at(deadline, send_all(&permit.client, commands, asking));
        sent.await.map_err(|_| RedisError::new(RedisErrorKind::NoAnswer, format!("{node} gave no answer in time")))
    }

    /// The slot's primary; waits for one as long as there is none.
    async fn owner(&self, slot: Slot, deadline: Instant) -> Result<Server, RedisError> {
        if let Some(node) = self.topology.now().owner(slot) {
            return Ok(node.clone());
        }
        let mut tables = self.topology.tables();
        let table = timeout_at(deadline, tables.wait_for(|table| table.owner(slot).is_some())).await;
        let owner = table.ok().and_then(|table| table.ok()?.owner(slot).cloned());
        owner.ok_or_else(nobody)
    }
}

fn nobody() -> RedisError {
    RedisError::new(RedisErrorKind::NoPrimary, "no primary is known for the key")
}
