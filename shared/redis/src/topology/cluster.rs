//! What the nodes of a Redis Cluster say about who owns which slots, and how their answers become one slot table.
//!
//! Nodes gossip, so they disagree while something changes, and a node that is cut off keeps describing the past. As in
//! Redis itself, the config epoch decides: it only grows, and a node gets a higher one when it takes slots over.
//!
//! Each node's answer ([`ClusterView`]) makes one claim for each primary that it knows: "primary P owns slots S since
//! epoch E". [`ClusterState::merge`] works in three steps:
//!
//! | step | rule | reason |
//! |---|---|---|
//! | 1. forget | drop the stored claim of a node that answered now, or that nobody repeated for 60 s | a node knows best which slots it has lost |
//! | 2. store | a node's claim for itself is stored; a claim of another node for it only if it didn't answer and no higher epoch is stored | a node that is cut off repeats old claims |
//! | 3. build | go through the claims from the highest epoch to the lowest; each gets those of its slots that are still free | the newer owner of a slot wins |
//!
//! ```text
//!  stored:    A, epoch 1: slots 0–7999          B, epoch 3: slots 7000–16383
//!  table:     ├──── A: 0–6999 ────┤├────────── B: 7000–16383 ──────────────┤
//! ```
//!
//! A write must be acknowledged by every replica of its primary that hasn't failed. A server that has just been promoted
//! has none yet: the one that was the primary and the other replicas still have to follow it. Until they do, or have
//! failed, they count as its replicas: one of them may be promoted in turn.
//!
//! See docs/decisions/016-a-moved-slot-is-as-safe-as-its-new-node.md.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use fred::types::config::Server;

use crate::{
    reply::Reply,
    topology::{
        acks::{AckObstacle, MinReplicas, RequiredAcks, RequiredReplicas},
        slots::{Primary, Slot, SlotTable, Slots},
    },
};

/// How long a claim is kept that no node repeats. It is longer than it takes to ask every node once or twice. It ends,
/// because a Cluster that was created again starts with low epochs.
const CLAIM_LIFETIME: Duration = Duration::from_secs(60);

/// What one node says about one primary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SlotClaim {
    primary: Primary,
    slots: Slots,
    /// Whether at least one node can't reach the primary.
    is_suspected: bool,
    replicas: Vec<ShardReplica>,
}

/// A replica, as a node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ShardReplica {
    id: String,
    has_failed: bool,
}

/// What one node says about the whole Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterView {
    /// The id of the node that says it.
    node_id: String,
    /// By the id of the primary.
    claims: HashMap<String, SlotClaim>,
    /// The ids of all nodes that it knows and that haven't failed.
    alive: HashSet<String>,
}

impl ClusterView {
    /// Parses a node's answers to `CLUSTER SLOTS`, which has the addresses of the nodes, and to `CLUSTER NODES`, which
    /// has their state and epoch. `asked` is the address at which the node was asked.
    pub(crate) fn parse(slots: Reply, nodes: &str, asked: &Server) -> Option<Self> {
        let nodes: Vec<NodeLine> = nodes.lines().map(NodeLine::parse).collect::<Option<_>>()?;
        let node_id = nodes.iter().find(|node| node.has_flag("myself"))?.id.to_owned();
        let mut claims = HashMap::new();
        for range in slots.into_array() {
            let mut range = range.into_array().into_iter();
            let first = parse_slot(&range.next()?)?;
            let last = parse_slot(&range.next()?)?;
            let (id, node) = parse_endpoint(range.next()?, asked)?;
            // The two answers can be of different moments, so one can have a node that the other doesn't have.
            let Some(line) = nodes.iter().find(|line| line.id == id) else { continue };
            let claim = claims.entry(id).or_insert_with(|| SlotClaim {
                primary: Primary { node, epoch: line.epoch, required_acks: None },
                slots: Slots::empty(),
                is_suspected: line.is_suspected(),
                replicas: replicas_of(line, &nodes),
            });
            claim.slots.extend(first.through(last));
        }
        let alive = nodes.iter().filter(|node| !node.has_failed()).map(|node| node.id.to_owned()).collect();
        Some(Self { node_id, claims, alive })
    }
}

fn replicas_of(primary: &NodeLine, nodes: &[NodeLine]) -> Vec<ShardReplica> {
    let replicas = nodes.iter().filter(|node| node.primary_id == primary.id);
    replicas.map(|node| ShardReplica { id: node.id.to_owned(), has_failed: node.has_failed() }).collect()
}

/// The fields that are used of a line of `CLUSTER NODES`.
struct NodeLine<'a> {
    id: &'a str,
    flags: &'a str,
    /// The id of the primary that this node replicates; `-` if none.
    primary_id: &'a str,
    epoch: u64,
}

impl<'a> NodeLine<'a> {
    /// Parses `id address flags primary ping pong epoch link slots…`.
    fn parse(line: &'a str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, _address, flags, primary_id, _ping, _pong, epoch, ..] = words[..] else { return None };
        Some(Self { id, flags, primary_id, epoch: epoch.parse().ok()? })
    }

    fn has_flag(&self, flag: &str) -> bool {
        self.flags.split(',').any(|present| present == flag)
    }

    /// Whether at least one node can't reach it. If it is a primary, a replica may soon be promoted in its place.
    fn is_suspected(&self) -> bool {
        self.has_flag("fail") || self.has_flag("fail?")
    }

    /// Whether the majority agrees that it has failed, or it hasn't joined yet. `fail?` isn't enough: it is the
    /// opinion of one node, which may itself be cut off.
    fn has_failed(&self) -> bool {
        ["fail", "handshake", "noaddr"].iter().any(|flag| self.has_flag(flag))
    }
}

fn parse_slot(number: &Reply) -> Option<Slot> {
    Slot::from_number(u16::try_from(number.as_u64()?).ok()?)
}

/// Parses a node in `CLUSTER SLOTS`: preferred endpoint, port, id, other endpoints. Returns its id and address.
fn parse_endpoint(node: Reply, asked: &Server) -> Option<(String, Server)> {
    let mut fields = node.into_array().into_iter();
    let endpoint = fields.next()?.into_string().unwrap_or_default();
    let port = u16::try_from(fields.next()?.as_u64()?).ok()?;
    let id = fields.next()?.into_string()?;
    let host = match endpoint.as_str() {
        // The node doesn't know its own address. It is the one that was just asked.
        "" => asked.host.to_string(),
        // The node should announce a hostname and has none.
        "?" => fields.next()?.convert::<HashMap<String, String>>().ok()?.remove("ip")?,
        _ => endpoint,
    };
    Some((id, Server::new(host, port)))
}

/// What the nodes have said.
#[derive(Debug, Default)]
pub(crate) struct ClusterState {
    /// The newest known claim for each primary, by its id, and when a node last made it.
    claims: HashMap<String, (SlotClaim, Instant)>,
    /// The primary that each replica has, or had before it was promoted, by their ids; and when that was last so.
    followed: HashMap<String, (String, Instant)>,
    /// The nodes that haven't failed, as the last answers say.
    alive: HashSet<String>,
    min_replicas: MinReplicas,
}

impl ClusterState {
    pub(crate) fn new(min_replicas: MinReplicas) -> Self {
        Self { min_replicas, ..Self::default() }
    }

    /// Takes new answers in, by the rules in the module's documentation, and returns the table that results.
    pub(crate) fn merge(&mut self, views: Vec<ClusterView>, now: Instant) -> SlotTable {
        let answered: HashSet<String> = views.iter().map(|view| view.node_id.clone()).collect();
        self.claims.retain(|id, (_, claimed_at)| !answered.contains(id) && now - *claimed_at < CLAIM_LIFETIME);
        self.alive.clear();
        for view in views {
            self.alive.extend(view.alive);
            for (id, claim) in view.claims {
                let is_contradicted_by_the_node = id != view.node_id && answered.contains(&id);
                if !is_contradicted_by_the_node && !self.has_newer(&id, &claim) {
                    self.claims.insert(id, (claim, now));
                }
            }
        }
        self.remember_replicas(now);
        self.slot_table()
    }

    fn has_newer(&self, id: &str, claim: &SlotClaim) -> bool {
        self.claims.get(id).is_some_and(|(stored, _)| stored.primary.epoch > claim.primary.epoch)
    }

    fn remember_replicas(&mut self, now: Instant) {
        self.followed.retain(|_, (_, seen_at)| now - *seen_at < CLAIM_LIFETIME);
        let mut claims: Vec<_> = self.claims.iter().map(|(id, (claim, _))| (claim.primary.epoch, id, claim)).collect();
        claims.sort_unstable_by_key(|(epoch, id, _)| (*epoch, *id));
        for (_, primary, claim) in claims {
            for replica in &claim.replicas {
                // The newest claim is the last one.
                self.followed.insert(replica.id.clone(), (primary.clone(), now));
            }
        }
    }

    fn slot_table(&self) -> SlotTable {
        let mut claims: Vec<_> = self.claims.iter().map(|(id, (claim, _))| (claim.primary.epoch, id, claim)).collect();
        claims.sort_unstable_by_key(|(epoch, id, _)| Reverse((*epoch, *id)));
        let mut table = SlotTable::empty();
        let mut assigned = Slots::empty();
        let mut owners = vec![];
        for (_, id, claim) in claims {
            let free = claim.slots.difference(&assigned);
            // A primary that has lost all its slots to newer ones is a primary no more.
            if !free.is_empty() {
                table.assign(claim.primary.clone(), &free);
                assigned.extend(free.iter());
                owners.push((id, claim));
            }
        }
        let required = owners.iter().map(|(id, claim)| Some(self.required_acks(id, claim, &owners)));
        table.with_required_acks(required)
    }

    /// Every replica that may be promoted must have a write, because the Cluster may choose any of them.
    fn required_acks(&self, id: &str, claim: &SlotClaim, owners: &[(&String, &SlotClaim)]) -> RequiredAcks {
        if claim.is_suspected {
            return RequiredAcks::Unattainable(AckObstacle::Suspected);
        }
        let up = claim.replicas.iter().filter(|replica| !replica.has_failed).count();
        let expected = self.expected_replicas(id, owners);
        let required = RequiredReplicas::count(up + expected);
        self.min_replicas.required(required, up + expected, claim.replicas.len() + expected)
    }

    /// How many nodes of a primary's shard still have to follow it: its old primary, and the replicas of both. One that
    /// was replaced and promoted again, before anybody asked, is waited for by them, too.
    fn expected_replicas(&self, primary: &str, owners: &[(&String, &SlotClaim)]) -> usize {
        let old_primary = self.followed.get(primary).map(|(old_primary, _)| old_primary);
        let has_a_place = |node: &String| {
            owners.iter().any(|(id, claim)| *id == node || claim.replicas.iter().any(|replica| replica.id == *node))
        };
        let is_in_the_shard = |followed: &String| followed == primary || Some(followed) == old_primary;
        let shard = self.followed.iter().filter(|(_, (followed, _))| is_in_the_shard(followed)).map(|(node, _)| node);
        shard.chain(old_primary).filter(|node| self.alive.contains(*node) && !has_a_place(node)).count()
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
