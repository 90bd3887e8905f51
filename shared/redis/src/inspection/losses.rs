//! Knows which primaries may have lost keys, so that a missing key says nothing there yet, and until when keys may have
//! been lost at all.
//!
//! | what happened | how it is noticed |
//! |---|---|
//! | `FLUSHALL`, `FLUSHDB`, `SWAPDB` | `INFO commandstats` counts them. It is asked when a key is missing, and so is never late |
//! | a restart without its data, a failover that lost writes | the primary was connected to anew, or not at the first try |
//!
//! The gateways that hold the pages notice the same, and have their scenes opened again within seconds.
//!
//! What replicas have acknowledged is lost only by what empties a primary, or by a restart of it. Both show in its
//! [`ServerRun`].
//!
//! See docs/decisions/036-a-scene-is-unknown-only-where-nothing-was-just-lost.md and
//! docs/decisions/058-a-signature-older-than-a-loss-is-undecided.md.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::{
    connection::{client_settings::COMMAND_LIMIT, pool::ConnectionPool, state::ConnectionState},
    error::{RedisError, RedisErrorKind},
    inspection::{
        each_connection::{PrimaryConnection, for_each_connection},
        server_run::{BetweenRuns, ServerRun},
        shared_question::SharedQuestion,
    },
    topology::refresher::Topology,
};

/// For how long a primary isn't believed. WeChat delivers a message for the last time after ten seconds.
const DOUBT_LASTS: Duration = Duration::from_secs(15);
/// How often each primary is asked, where it matters when a loss was.
const PERIOD: Duration = Duration::from_secs(1);

/// From when on Redis has kept the keys that its replicas acknowledged, as far as this pod can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptSince {
    /// The pod saw its primaries for the first time then, and nothing was lost since. What was before, it can't know.
    Beginning(SystemTime),
    /// Keys may have been lost at any time until then.
    Loss(SystemTime),
}

/// What is known of the primaries. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RecentLosses {
    pasts: Arc<Mutex<PrimaryPasts>>,
    questions: Arc<Mutex<HashMap<Server, Arc<SharedQuestion>>>>,
}

#[derive(Debug)]
struct PrimaryPasts {
    /// Those that were primaries all the time since this process found the first ones. `None` before it has.
    original: Option<HashSet<Server>>,
    by_node: HashMap<Server, PrimaryPast>,
    kept_since: KeptSince,
}

#[derive(Debug)]
struct PrimaryPast {
    /// Of the connection that was looked at last. `None` before the first.
    generation: Option<u64>,
    /// As it was seen last. `None` if it wasn't seen yet, or doesn't tell.
    run: Option<ServerRun>,
    seen_at: SystemTime,
    doubted_until: Option<Instant>,
}

impl RecentLosses {
    /// Starts to remember what happens to the primaries. `nodes` are the connections for commands.
    pub(crate) fn watch(topology: &Topology, nodes: &ConnectionPool) -> Self {
        let losses = Self { pasts: Arc::new(Mutex::new(PrimaryPasts::new())), questions: Arc::default() };
        tokio::spawn(losses.clone().follow_primaries(topology.clone()));
        let remember = losses.clone();
        let inspect = move |connection| remember.clone().connected(connection);
        tokio::spawn(for_each_connection(topology.clone(), nodes.clone(), inspect));
        losses
    }

    /// From now on asks each primary once a second, so that [`RecentLosses::kept_since`] names no later moment than a
    /// second after the loss.
    pub(crate) fn keep_asking(&self, topology: &Topology, nodes: &ConnectionPool) {
        let losses = self.clone();
        let ask = move |connection| losses.clone().ask_for_ever(connection);
        tokio::spawn(for_each_connection(topology.clone(), nodes.clone(), ask));
    }

    /// From when on keys were kept, at all primaries.
    pub(crate) fn kept_since(&self) -> KeptSince {
        self.pasts.lock().kept_since
    }

    /// Asks this primary for its run, once for all that do so at the same time. Whatever it lost before this call is known
    /// then. Where our user may not ask, nothing is.
    pub(crate) async fn look_for_losses(&self, node: &Server, nodes: &ConnectionPool) -> Result<(), RedisError> {
        let question = self.question(node);
        let ask = async || {
            let connection = nodes.get(node);
            let permit = connection.permit(Instant::now() + COMMAND_LIMIT).await?;
            let answer = ServerRun::command().send(&permit.client).await.map_err(RedisError::from);
            if let Err(error) = &answer
                && error.kind() == RedisErrorKind::NoAnswer
            {
                return Err(error.clone());
            }
            if let Some(run) = answer.ok().and_then(ServerRun::read) {
                let lost_at = connection.state().borrow().lost_at;
                self.observe(node, run, lost_at);
            }
            Ok(())
        };
        question.ask(ask).await
    }

    /// This primary has just told which run it is. Returns whether keys may have been lost since it told so last.
    pub(crate) fn observe(&self, node: &Server, run: ServerRun, lost_at: Option<SystemTime>) -> bool {
        self.pasts.lock().observe(node, run, lost_at)
    }

    /// What all that look for losses at this primary share.
    pub(crate) fn question(&self, node: &Server) -> Arc<SharedQuestion> {
        self.questions.lock().entry(node.clone()).or_default().clone()
    }

    async fn follow_primaries(self, topology: Topology) {
        let mut tables = topology.subscribe();
        loop {
            let primaries = tables.borrow_and_update().nodes();
            self.questions.lock().retain(|node, _| primaries.contains(node));
            self.pasts.lock().follow(primaries);
            if tables.changed().await.is_err() {
                return;
            }
        }
    }

    async fn connected(self, connection: PrimaryConnection) {
        let PrimaryConnection { node, client, generation, lost_at } = connection;
        self.pasts.lock().begin(&node, generation, lost_at.is_none());
        let run = ServerRun::ask(&client).await;
        let mut pasts = self.pasts.lock();
        match (run, lost_at) {
            (Some(run), _) if run.id.is_some() || lost_at.is_none() => {
                pasts.observe(&node, run, lost_at);
            }
            // Nobody knows whether it is the same run as before.
            (run, Some(lost_at)) => {
                let before = std::mem::replace(&mut pasts.past(&node).run, run);
                pasts.note_loss(if before.is_some() { lost_at } else { SystemTime::now() });
            }
            (_, None) => {}
        }
    }

    async fn ask_for_ever(self, connection: PrimaryConnection) {
        let PrimaryConnection { node, client, lost_at, .. } = connection;
        loop {
            sleep(PERIOD).await;
            if let Some(run) = ServerRun::ask(&client).await {
                self.observe(&node, run, lost_at);
            }
        }
    }

    /// Whether this primary may have lost keys within the last seconds.
    pub(crate) async fn may_have_lost_keys(&self, node: &Server, connection: &ConnectionState) -> bool {
        let Some(client) = connection.connected_client() else { return true };
        // It is asked also while it is doubted: another loss, noticed only after that, would double the time of doubt.
        if let Some(run) = ServerRun::ask(client).await {
            self.observe(node, run, connection.lost_at);
        }
        self.is_doubted(node, connection)
    }

    fn is_doubted(&self, node: &Server, connection: &ConnectionState) -> bool {
        let pasts = self.pasts.lock();
        match pasts.by_node.get(node).filter(|past| past.generation == connection.generation) {
            Some(past) => past.doubted_until.is_some_and(|until| Instant::now() < until),
            // The connection is so new that it wasn't looked at yet.
            None => !(connection.lost_at.is_none() && pasts.is_original(node)),
        }
    }
}

impl PrimaryPasts {
    fn new() -> Self {
        let kept_since = KeptSince::Beginning(SystemTime::now());
        Self { original: None, by_node: HashMap::new(), kept_since }
    }

    /// These are the primaries now. What was known of others is forgotten: one that comes back may have lost keys.
    fn follow(&mut self, primaries: Vec<Server>) {
        self.by_node.retain(|node, _| primaries.contains(node));
        match &mut self.original {
            Some(original) => original.retain(|node| primaries.contains(node)),
            None if primaries.is_empty() => {}
            original => *original = Some(primaries.into_iter().collect()),
        }
    }

    /// There is a new connection to this primary.
    fn begin(&mut self, node: &Server, generation: u64, is_first: bool) {
        let is_believed = is_first && self.is_original(node);
        let doubted_until = (!is_believed).then(|| Instant::now() + DOUBT_LASTS);
        let past = self.past(node);
        past.generation = Some(generation);
        past.doubted_until = doubted_until;
    }

    fn past(&mut self, node: &Server) -> &mut PrimaryPast {
        let new = || PrimaryPast { generation: None, run: None, seen_at: SystemTime::now(), doubted_until: None };
        self.by_node.entry(node.clone()).or_insert_with(new)
    }

    /// Compares this run with the one that was seen before. `lost_at` is when the connection was lost last. Returns
    /// whether keys may have been lost between both.
    fn observe(&mut self, node: &Server, run: ServerRun, lost_at: Option<SystemTime>) -> bool {
        if !self.by_node.contains_key(node) && !self.is_original(node) {
            return false;
        }
        let now = SystemTime::now();
        let past = self.past(node);
        let Some(before) = &past.run else {
            past.run = Some(run);
            past.seen_at = now;
            if self.is_original(node) {
                self.note_first_sight(now, lost_at.is_some());
            }
            return false;
        };
        let between = run.since(before);
        if between == BetweenRuns::Reversed {
            return false;
        }
        past.run = Some(run);
        let seen_at = std::mem::replace(&mut past.seen_at, now);
        let lost_until = match between {
            BetweenRuns::Nothing | BetweenRuns::Reversed => return false,
            BetweenRuns::Emptied => now,
            BetweenRuns::AnotherRun => lost_at.map_or(seen_at, |lost_at| lost_at.max(seen_at)),
        };
        past.doubted_until = Some(Instant::now() + DOUBT_LASTS);
        self.note_loss(lost_until);
        true
    }

    /// One of the first primaries has told for the first time which run it is. If it couldn't be connected to at once, it
    /// may have lost meanwhile what other pods had written. (One that comes later has what its replicas had, or nothing.)
    fn note_first_sight(&mut self, now: SystemTime, was_away: bool) {
        match self.kept_since {
            _ if was_away => self.note_loss(now),
            KeptSince::Beginning(_) => self.kept_since = KeptSince::Beginning(now),
            KeptSince::Loss(_) => {}
        }
    }

    fn note_loss(&mut self, until: SystemTime) {
        self.kept_since = match self.kept_since {
            KeptSince::Loss(known) if known > until => KeptSince::Loss(known),
            KeptSince::Loss(_) | KeptSince::Beginning(_) => KeptSince::Loss(until),
        };
    }

    fn is_original(&self, node: &Server) -> bool {
        self.original.as_ref().is_none_or(|original| original.contains(node))
    }
}

#[cfg(test)]
#[path = "losses_tests.rs"]
mod tests;
