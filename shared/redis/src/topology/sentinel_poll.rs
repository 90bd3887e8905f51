//! Asks the sentinels: those that are configured, and those that they know.

use std::{collections::HashSet, pin::pin};

use fred::{error::Error, types::config::Server};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    command::{RedisCommand, send_all},
    connection::pool::ConnectionPool,
    error::RedisError,
    reply::Reply,
    topology::{
        acks::{MinReplicas, RequiredAcks},
        limits::{ANSWER_LIMIT, STRAGGLER_LIMIT},
        problem::TopologyProblem,
        sentinel::{SentinelAnswer, SentinelPeer, SentinelReplies, SentinelState, distinct, majority},
        slots::Primary,
    },
};

/// The sentinels of one service, asked over connections of their own.
pub(crate) struct SentinelPoll {
    configured: Vec<Server>,
    service: String,
    connections: ConnectionPool,
    min_replicas: MinReplicas,
    /// Sentinels that aren't configured, or not by the address that they announce.
    discovered: Vec<SentinelPeer>,
    /// The ids of the sentinels that were reached at configured addresses in the last poll.
    reached: HashSet<String>,
    state: SentinelState,
    has_warned: bool,
}

impl SentinelPoll {
    pub(crate) fn new(
        mut configured: Vec<Server>,
        service: String,
        connections: ConnectionPool,
        min_replicas: MinReplicas,
    ) -> Self {
        // The same sentinel may be written twice.
        configured.sort();
        configured.dedup();
        Self {
            configured,
            service,
            connections,
            min_replicas,
            discovered: vec![],
            reached: HashSet::new(),
            state: SentinelState::default(),
            has_warned: false,
        }
    }

    /// Asks all of them at once. There is no primary while none has ever named one. While there is one, only problems that
    /// last are told.
    pub(crate) async fn primary(&mut self) -> (Option<Primary>, Vec<TopologyProblem>) {
        let (answers, refused, mut problems) = self.ask_all().await;
        if refused && !self.has_warned {
            self.has_warned = true;
            tracing::warn!(
                "a sentinel refuses SENTINEL MYID, SENTINELS or GET-MASTER-ADDR-BY-NAME to the user of this pod, so \
                 sentinels that bus.url doesn't name aren't found, and one that it names twice counts twice. Grant \
                 +sentinel|myid +sentinel|sentinels +sentinel|get-master-addr-by-name"
            );
        }
        self.learn_sentinels(&answers);
        let primary = self.state.merge(&answers, &self.configured, self.min_replicas, Instant::now().into_std());
        if primary.is_some() {
            problems.retain(TopologyProblem::is_lasting);
        }
        (primary, problems)
    }

    /// Whether this primary may have replicas that have to be waited for, and that no sentinel lists.
    pub(crate) fn may_overlook_replicas(&self, primary: &Primary) -> bool {
        self.min_replicas == MinReplicas::Auto && primary.required_acks.as_ref().is_some_and(RequiredAcks::is_none)
    }

    /// Waits for a majority, and a moment longer for the others. Returns what was answered in time, whether a sentinel
    /// refused a command, and why others gave no answer.
    async fn ask_all(&self) -> (Vec<SentinelAnswer>, bool, Vec<TopologyProblem>) {
        let mut asked: FuturesUnordered<_> = self.addresses().map(|sentinel| self.ask(sentinel)).collect();
        let mut answers = vec![];
        let mut refused = false;
        let mut problems = vec![];
        let mut limit = pin!(sleep(ANSWER_LIMIT));
        let mut is_majority = false;
        loop {
            tokio::select! {
                Some(answer) = asked.next() => match answer {
                    Ok((answer, has_refused)) => {
                        answers.push(answer);
                        refused |= has_refused;
                    }
                    Err(problem) => problems.push(problem),
                },
                () = &mut limit, if !asked.is_empty() => {
                    problems.push(TopologyProblem::NoAnswer);
                    return (answers, refused, problems);
                }
                else => return (answers, refused, problems),
            }
            if !is_majority && distinct(&answers) >= majority(&answers, &self.configured) {
                is_majority = true;
                limit.as_mut().reset(Instant::now() + STRAGGLER_LIMIT);
            }
        }
    }

    fn addresses(&self) -> impl Iterator<Item = &Server> {
        self.configured.iter().chain(self.discovered.iter().map(|peer| &peer.node))
    }

    /// Returns its answer, and whether it refused one of the commands that it may refuse.
    async fn ask(&self, sentinel: &Server) -> Result<(SentinelAnswer, bool), TopologyProblem> {
        let service = self.service.as_str();
        let about = |subcommand: &'static str| RedisCommand::new("SENTINEL", [subcommand, service]);
        let commands = [
            RedisCommand::new("SENTINEL", ["MYID"]),
            about("SENTINELS"),
            about("MASTER"),
            about("REPLICAS"),
            about("GET-MASTER-ADDR-BY-NAME"),
        ];
        let connection = self.connections.get(sentinel);
        let deadline = Instant::now() + ANSWER_LIMIT;
        let permit = connection.permit(deadline).await?;
        let answers = timeout_at(deadline, send_all(&permit.client, &commands, false)).await;
        let answers = answers.map_err(|_| RedisError::timed_out(sentinel))?;
        let answers: [Result<Reply, Error>; 5] = answers.try_into().expect("send_all returns one answer per command");
        let [id, peers, primary, replicas, address] = answers;
        let refused = [&id, &peers, &address].into_iter().any(Result::is_err);
        let problem = |error| TopologyProblem::at_sentinel(sentinel, service, error);
        let replies = SentinelReplies {
            id: id.ok(),
            peers: peers.ok(),
            primary: Some(primary.map_err(problem)?),
            replicas: Some(replicas.map_err(problem)?),
            address: address.ok(),
        };
        let answer = SentinelAnswer::parse(sentinel, replies).ok_or_else(RedisError::malformed)?;
        Ok((answer, refused))
    }

    /// Finds sentinels that the next poll asks, too: those that others know and reach, and that don't answer at a
    /// configured address.
    fn learn_sentinels(&mut self, answers: &[SentinelAnswer]) {
        if answers.is_empty() {
            return;
        }
        let is_configured = |answer: &&SentinelAnswer| self.configured.contains(&answer.asked_at);
        self.reached = answers.iter().filter(is_configured).map(|answer| answer.id.clone()).collect();
        let mut discovered: Vec<SentinelPeer> = vec![];
        for peer in answers.iter().flat_map(|answer| &answer.peers) {
            let is_asked = self.reached.contains(&peer.id) || self.configured.contains(&peer.node);
            if peer.is_up && !is_asked && discovered.iter().all(|known| known.node != peer.node) {
                discovered.push(peer.clone());
            }
        }
        self.discovered = discovered;
        self.connections.retain(|sentinel| self.addresses().any(|asked| asked == sentinel));
    }
}
