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

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use fred::types::config::Server;

use crate::{
    reply::Reply,
    topology::slots::{Primary, RequiredAcks, Slot, SlotTable, Slots},
};

/// How long a claim is kept that no node repeats. It is longer than it takes to ask every node once or twice. It ends,
/// because a Cluster that was created again starts with low epochs.
const CLAIM_LIFETIME: Duration = Duration::from_secs(60);

/// What one node says about one primary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SlotClaim {
    primary: Primary,
    slots: Slots,
}

/// What one node says about the whole Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterView {
    /// The id of the node that says it.
    node_id: String,
    /// By the id of the primary.
    claims: HashMap<String, SlotClaim>,
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
            let claim = claims.entry(id).or_insert_with(|| {
                let required_acks = Some(required_acks(line, &nodes));
                SlotClaim { primary: Primary { node, epoch: line.epoch, required_acks }, slots: Slots::empty() }
            });
            claim.slots.extend(first.through(last));
        }
        Some(Self { node_id, claims })
    }
}

/// Every replica that may be promoted must have a write, because the Cluster may choose any of them.
fn required_acks(primary: &NodeLine, nodes: &[NodeLine]) -> RequiredAcks {
    if primary.is_suspected() {
        return RequiredAcks::Unattainable;
    }
    let replicas = nodes.iter().filter(|node| node.primary_id == primary.id && !node.has_failed());
    RequiredAcks::AtLeast(replicas.count())
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

/// The newest known claim for each primary, by its id, and when a node last made it.
#[derive(Debug, Default)]
pub(crate) struct ClusterState(HashMap<String, (SlotClaim, Instant)>);

impl ClusterState {
    /// Takes new answers in, by the rules in the module's documentation, and returns the table that results.
    pub(crate) fn merge(&mut self, views: Vec<ClusterView>, now: Instant) -> SlotTable {
        let answered: HashSet<String> = views.iter().map(|view| view.node_id.clone()).collect();
        self.0.retain(|id, (_, claimed_at)| !answered.contains(id) && now - *claimed_at < CLAIM_LIFETIME);
        for view in views {
            for (id, claim) in view.claims {
                let is_contradicted_by_the_node = id != view.node_id && answered.contains(&id);
                if !is_contradicted_by_the_node && !self.has_newer(&id, &claim) {
                    self.0.insert(id, (claim, now));
                }
            }
        }
        self.slot_table()
    }

    fn has_newer(&self, id: &str, claim: &SlotClaim) -> bool {
        self.0.get(id).is_some_and(|(stored, _)| stored.primary.epoch > claim.primary.epoch)
    }

    fn slot_table(&self) -> SlotTable {
        let mut claims: Vec<_> = self.0.iter().map(|(id, (claim, _))| (claim.primary.epoch, id, claim)).collect();
        claims.sort_unstable_by_key(|(epoch, id, _)| Reverse((*epoch, *id)));
        let mut table = SlotTable::empty();
        let mut assigned = Slots::empty();
        for (_, _, claim) in claims {
            let free = claim.slots.difference(&assigned);
            // A primary that has lost all its slots to newer ones is a primary no more.
            if !free.is_empty() {
                table.assign(claim.primary.clone(), &free);
                assigned.extend(free.iter());
            }
        }
        table
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
