//! What sentinels say about who is the primary, and which of them to believe. No I/O.
//!
//! Each sentinel names a primary, and the config epoch of the failover that promoted it. [`SentinelState::merge`]
//! decides where commands go, which may be a guess, and what acknowledges a write, which may not:
//!
//! | where commands go | |
//! |---|---|
//! | the highest epoch wins | a sentinel with a lower one is cut off, and doesn't know of the failover |
//! | of an equal epoch, what most say wins | sentinels learn of a failover one after the other |
//! | a sentinel in a failover counts only if no other names a primary | it still names the old primary |
//! | none answered for 60 s: the known primary is forgotten | sentinels that were set up again start with low epochs |
//!
//! | what acknowledges a write | |
//! |---|---|
//! | nothing, while a sentinel has agreed with others that the primary is down, or is replacing it | a failover may be under way |
//! | nothing, unless a majority of all sentinels name this primary and epoch in this very poll | a failover needs a majority, so the others can't have completed one unseen |
//! | else every replica that any of them lists, | each may be promoted |
//! | but not one that a majority has seen down for three seconds, or that none has ever reached | one sentinel may just not reach it |
//!
//! See docs/decisions/038-an-acknowledgement-names-its-replicas.md.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use fred::types::config::Server;

use crate::{
    reply::Reply,
    topology::{
        acks::{AckObstacle, MinReplicas, RequiredAcks, RequiredReplicas},
        slots::Primary,
    },
};

/// How long the known primary is kept while no sentinel confirms it. It ends, because sentinels that were set up again
/// start with low epochs.
const PRIMARY_LIFETIME: Duration = Duration::from_secs(60);
/// How long a replica that is down still has to acknowledge, in milliseconds. It may be down only for the sentinels:
/// where a primary and this replica are cut off together, the sentinels need this long to see that the primary is down.
const DOWN_REPLICA_COUNTS_MS: u64 = 3_000;

type Facts = HashMap<String, String>;

/// A sentinel's answers to the commands in [`SentinelReplies`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentinelAnswer {
    /// Where it was asked.
    pub(crate) asked_at: Server,
    /// Its id. Several names may lead to one sentinel.
    pub(crate) id: String,
    /// The other sentinels, as it knows them.
    pub(crate) peers: Vec<SentinelPeer>,
    /// How many other sentinels it knows. It forgets none, unless an operator tells it to.
    peer_count: usize,
    primary: Server,
    epoch: u64,
    stage: FailoverStage,
    replicas: Vec<ListedReplica>,
}

/// A sentinel that another one knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentinelPeer {
    pub(crate) id: String,
    pub(crate) node: Server,
    /// Whether the other one reaches it.
    pub(crate) is_up: bool,
}

/// How far a sentinel is on the way to another primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailoverStage {
    /// It takes the primary for healthy, or is alone in thinking otherwise.
    None,
    /// Enough sentinels agree that the primary is down.
    Suspected,
    /// It is promoting a replica.
    Promoting,
    /// It has promoted a replica, which it names, and is telling the other replicas.
    Promoted,
}

/// A replica as one sentinel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ListedReplica {
    node: Server,
    /// Whether the sentinel has not reached it for [`DOWN_REPLICA_COUNTS_MS`].
    is_down: bool,
    /// Whether the sentinel reaches it, or did. If not, it may be an old entry for a server that is gone.
    is_real: bool,
}

/// What a sentinel answered to each command; `None` if the command was refused.
#[derive(Debug, Default)]
pub(crate) struct SentinelReplies {
    /// `SENTINEL MYID`
    pub(crate) id: Option<Reply>,
    /// `SENTINEL SENTINELS`
    pub(crate) peers: Option<Reply>,
    /// `SENTINEL MASTER`
    pub(crate) primary: Option<Reply>,
    /// `SENTINEL REPLICAS`
    pub(crate) replicas: Option<Reply>,
    /// `SENTINEL GET-MASTER-ADDR-BY-NAME`: unlike `MASTER` it names the new primary as soon as it is promoted.
    pub(crate) address: Option<Reply>,
}

impl SentinelAnswer {
    /// Only the answers to `MASTER` and `REPLICAS` are needed.
    pub(crate) fn parse(asked_at: &Server, replies: SentinelReplies) -> Option<Self> {
        let facts: Facts = replies.primary?.convert().ok()?;
        let listed = server(&facts)?;
        let primary = replies.address.and_then(parse_address).unwrap_or_else(|| listed.clone());
        let stage = if primary != listed {
            FailoverStage::Promoted
        } else if has_any_flag(&facts, &["failover_in_progress"]) {
            FailoverStage::Promoting
        } else if has_any_flag(&facts, &["o_down"]) {
            FailoverStage::Suspected
        } else {
            FailoverStage::None
        };
        let peers = replies.peers.map(|peers| list(peers, SentinelPeer::parse)).unwrap_or_default();
        let told = facts.get("num-other-sentinels").and_then(|count| count.parse().ok()).unwrap_or(0);
        Some(Self {
            asked_at: asked_at.clone(),
            id: replies.id.and_then(Reply::into_string).unwrap_or_else(|| asked_at.to_string()),
            peer_count: peers.len().max(told),
            peers,
            primary,
            epoch: facts.get("config-epoch")?.parse().ok()?,
            stage,
            replicas: replies.replicas.map(|replicas| list(replicas, ListedReplica::parse))?,
        })
    }

    /// Whether it knows no primary that could be newer than this one, and isn't replacing it.
    fn confirms(&self, primary: &Primary) -> bool {
        self.stage == FailoverStage::None && self.names(primary)
    }

    fn names(&self, primary: &Primary) -> bool {
        self.primary == primary.node && self.epoch == primary.epoch
    }
}

impl SentinelPeer {
    fn parse(facts: &Facts) -> Option<Self> {
        let is_up = !has_any_flag(facts, &["s_down", "o_down", "disconnected"]);
        Some(Self { id: facts.get("runid")?.clone(), node: server(facts)?, is_up })
    }
}

impl ListedReplica {
    fn parse(facts: &Facts) -> Option<Self> {
        let down_for_ms = facts.get("s-down-time").and_then(|time| time.parse().ok()).unwrap_or(0);
        Some(Self {
            node: server(facts)?,
            is_down: has_any_flag(facts, &["s_down", "o_down"]) && down_for_ms >= DOWN_REPLICA_COUNTS_MS,
            is_real: facts.get("slave-repl-offset").is_some_and(|offset| offset != "0")
                || !has_any_flag(facts, &["s_down", "o_down", "disconnected"]),
        })
    }
}

/// Leaves out what can't be read.
fn list<T>(entries: Reply, parse: impl Fn(&Facts) -> Option<T>) -> Vec<T> {
    entries.into_array().into_iter().filter_map(|entry| parse(&entry.convert().ok()?)).collect()
}

fn server(facts: &Facts) -> Option<Server> {
    Some(Server::new(facts.get("ip")?.clone(), facts.get("port")?.parse().ok()?))
}

fn parse_address(address: Reply) -> Option<Server> {
    let [host, port]: [String; 2] = address.convert::<Vec<String>>().ok()?.try_into().ok()?;
    Some(Server::new(host, port.parse().ok()?))
}

fn has_any_flag(facts: &Facts, wanted: &[&str]) -> bool {
    facts.get("flags").is_some_and(|flags| flags.split(',').any(|flag| wanted.contains(&flag)))
}

/// How many sentinels are a majority, counted as Redis does: of all that any of them knows. Those in `configured` count,
/// too, unless several of them turned out to be one.
pub(crate) fn majority(answers: &[SentinelAnswer], configured: &[Server]) -> usize {
    let is_silent = |sentinel: &&Server| !answers.iter().any(|answer| answer.asked_at == **sentinel);
    let silent = configured.iter().filter(is_silent).count();
    let told = answers.iter().map(|answer| answer.peer_count + 1).max().unwrap_or(0);
    (distinct(answers) + silent).max(told) / 2 + 1
}

/// How many sentinels gave these answers.
pub(crate) fn distinct<'a>(answers: impl IntoIterator<Item = &'a SentinelAnswer>) -> usize {
    answers.into_iter().map(|answer| &answer.id).collect::<HashSet<_>>().len()
}

/// The known primary, and when a sentinel last confirmed it.
#[derive(Debug, Default)]
pub(crate) struct SentinelState(Option<(Primary, Instant)>);

impl SentinelState {
    /// Takes the answers of one poll in, by the rules in the module's documentation, and returns the primary. It is
    /// `None` while no sentinel has ever named one.
    pub(crate) fn merge(
        &mut self,
        answers: &[SentinelAnswer],
        configured: &[Server],
        min: MinReplicas,
        now: Instant,
    ) -> Option<Primary> {
        self.0.take_if(|(_, confirmed_at)| now - *confirmed_at >= PRIMARY_LIFETIME);
        let known = self.0.as_ref().map(|(primary, _)| primary);
        if let Some(named) = latest(answers, known) {
            self.0 = Some((named, now));
        }
        let (primary, _) = self.0.as_ref()?;
        let required_acks = Some(required_acks(primary, answers, majority(answers, configured), min));
        Some(Primary { required_acks, ..primary.clone() })
    }
}

/// The primary that the answers name, if it isn't older than the known one.
fn latest(answers: &[SentinelAnswer], known: Option<&Primary>) -> Option<Primary> {
    let primary =
        |answer: &SentinelAnswer| Primary { node: answer.primary.clone(), epoch: answer.epoch, required_acks: None };
    let votes = |primary: &Primary| distinct(answers.iter().filter(|answer| answer.names(primary)));
    let in_doubt = |answer: &&SentinelAnswer| answer.stage == FailoverStage::Promoting;
    let named = answers.iter().filter(|answer| !in_doubt(answer)).map(primary);
    // At an equal number of votes the known primary stays.
    let rank =
        |primary: &Primary| (primary.epoch, votes(primary), known.is_some_and(|known| known.node == primary.node));
    let latest = named.max_by_key(rank).filter(|latest| known.is_none_or(|known| latest.epoch >= known.epoch));
    latest.or_else(|| if known.is_none() { answers.iter().map(primary).max_by_key(rank) } else { None })
}

fn required_acks(primary: &Primary, answers: &[SentinelAnswer], majority: usize, min: MinReplicas) -> RequiredAcks {
    let obstacle = |answer: &SentinelAnswer| match answer.stage {
        FailoverStage::Promoting if answer.epoch > primary.epoch => Some(AckObstacle::FailingOver),
        FailoverStage::Promoting if answer.primary == primary.node => Some(AckObstacle::FailingOver),
        FailoverStage::Suspected if answer.names(primary) => Some(AckObstacle::Suspected),
        _ => None,
    };
    if let Some(obstacle) = answers.iter().find_map(obstacle) {
        return RequiredAcks::Unattainable(obstacle);
    }
    let confirming: Vec<_> = answers.iter().filter(|answer| answer.confirms(primary)).collect();
    if distinct(confirming.iter().copied()) < majority {
        return RequiredAcks::Unattainable(AckObstacle::NoMajority);
    }
    required_replicas(&confirming, majority, min)
}

fn required_replicas(confirming: &[&SentinelAnswer], majority: usize, min: MinReplicas) -> RequiredAcks {
    let mut listed: HashMap<&Server, Vec<(&SentinelAnswer, &ListedReplica)>> = HashMap::new();
    for answer in confirming {
        for replica in &answer.replicas {
            listed.entry(&replica.node).or_default().push((answer, replica));
        }
    }
    let known = listed.len();
    listed.retain(|_, lines| {
        let down = lines.iter().filter(|(_, replica)| replica.is_down).map(|(answer, _)| *answer);
        distinct(down) < majority
    });
    let up = listed.len();
    listed.retain(|_, lines| lines.iter().any(|(_, replica)| replica.is_real));
    let mut named: Vec<Server> = listed.into_keys().cloned().collect();
    // In one order, so that equal tables are equal.
    named.sort();
    let replicas = RequiredReplicas::named(named.into());
    // If all look like old entries, one of them may still be real.
    min.required(RequiredReplicas { count: replicas.count.max(up.min(1)), ..replicas }, up, known)
}

#[cfg(test)]
#[path = "sentinel_tests.rs"]
mod tests;
