//! What the nodes of a Redis Cluster say about who owns which slots, and whom to believe.
//!
//! Nodes disagree while something changes, and a node that is cut off goes on saying what was. A
//! Cluster settles this by config epochs, which only grow: so does this. And nobody knows better
//! than a node itself that it doesn't own a slot.

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

/// After how long a claim is forgotten that nobody repeats. Longer than it takes to ask every node once or
/// twice, and not for ever: a Cluster that was set up anew counts its epochs from the beginning.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// What one node says of one primary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SlotClaim {
    primary: Primary,
    slots: Slots,
}

/// What one node says, by the primaries' ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterView {
    /// Its own id.
    of: String,
    claims: HashMap<String, SlotClaim>,
}

impl ClusterView {
    /// Reads what this node answered to `CLUSTER SLOTS`, which says how nodes are reached, and to `CLUSTER
    /// NODES`, which says what became of them and in which epoch.
    pub(crate) fn read(slots: Reply, nodes: &str, asked: &Server) -> Option<Self> {
        let nodes: Vec<NodeLine> = nodes.lines().map(NodeLine::read).collect::<Option<_>>()?;
        let of = nodes.iter().find(|node| node.has("myself"))?.id.to_owned();
        let mut claims = HashMap::new();
        for range in slots.into_array() {
            let mut range = range.into_array().into_iter();
            let mut number = || Slot::numbered(u16::try_from(range.next()?.as_u64()?).ok()?);
            let (first, last) = (number()?, number()?);
            let (id, node) = endpoint(range.next()?, asked)?;
            // The two answers aren't of the very same moment.
            let Some(line) = nodes.iter().find(|line| line.id == id) else { continue };
            let acks = if line.is_suspected() {
                RequiredAcks::InVain
            } else {
                RequiredAcks::Needed(nodes.iter().filter(|line| line.primary == id && !line.is_gone()).count())
            };
            let primary = Primary { node, epoch: line.epoch, acks: Some(acks) };
            let claim = claims.entry(id).or_insert_with(|| SlotClaim { primary, slots: Slots::none() });
            claim.slots.extend(first.to(last));
        }
        Some(Self { of, claims })
    }
}

/// A line of `CLUSTER NODES`, as far as it matters.
struct NodeLine<'a> {
    id: &'a str,
    flags: &'a str,
    /// The id of the primary that it replicates; `-` for none.
    primary: &'a str,
    epoch: u64,
}

impl<'a> NodeLine<'a> {
    /// Reads `id address flags primary ping pong epoch link slots…`.
    fn read(line: &'a str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, _address, flags, primary, _ping, _pong, epoch, ..] = words[..] else { return None };
        Some(Self { id, flags, primary, epoch: epoch.parse().ok()? })
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.split(',').any(|has| has == flag)
    }

    /// Whether somebody doesn't hear of it. If it is a primary, its replicas may soon be asked to take its place.
    fn is_suspected(&self) -> bool {
        ["fail", "fail?"].iter().any(|flag| self.has(flag))
    }

    /// Whether the Cluster agrees that it has failed. What one node alone suspects (`fail?`) may be the doing
    /// of whatever cuts that node off.
    fn is_gone(&self) -> bool {
        ["fail", "handshake", "noaddr"].iter().any(|flag| self.has(flag))
    }
}

/// Reads a node of `CLUSTER SLOTS`: how it wants to be reached, its port, its id, and what else is known of it.
fn endpoint(node: Reply, asked: &Server) -> Option<(String, Server)> {
    let mut node = node.into_array().into_iter();
    let (host, port, id, more) = (node.next()?, node.next()?, node.next()?, node.next());
    let host = match host.into_string().unwrap_or_default() {
        // It doesn't know how it is reached; we do.
        unknown if unknown.is_empty() => asked.host.to_string(),
        // It should have a name, and has none.
        unnamed if unnamed == "?" => more?.convert::<HashMap<String, String>>().ok()?.remove("ip")?,
        host => host,
    };
    Some((id.into_string()?, Server::new(host, u16::try_from(port.as_u64()?).ok()?)))
}

/// What is believed, and when it was last heard.
#[derive(Debug, Default)]
pub(crate) struct ClusterState(HashMap<String, (SlotClaim, Instant)>);

impl ClusterState {
    /// Hears what some nodes say; answers who owns what, as far as can be told.
    pub(crate) fn hear(&mut self, views: Vec<ClusterView>, now: Instant) -> SlotTable {
        let spoke: HashSet<String> = views.iter().map(|view| view.of.clone()).collect();
        self.0.retain(|id, (_, heard)| !spoke.contains(id) && now - *heard < FORGOTTEN_AFTER);
        for view in views {
            for (id, claim) in view.claims {
                let is_its_own = id == view.of;
                let is_overruled = spoke.contains(&id) && !is_its_own
                    || self.0.get(&id).is_some_and(|(believed, _)| believed.primary.epoch > claim.primary.epoch);
                if !is_overruled {
                    self.0.insert(id, (claim, now));
                }
            }
        }
        self.table()
    }

    fn table(&self) -> SlotTable {
        let mut claims: Vec<_> = self.0.iter().map(|(id, (claim, _))| (claim.primary.epoch, id, claim)).collect();
        claims.sort_unstable_by_key(|(epoch, id, _)| Reverse((*epoch, *id)));
        let (mut table, mut taken) = (SlotTable::empty(), Slots::none());
        for (_, _, claim) in claims {
            // Who lost all that it claims to a later one is no primary any more.
            let left = claim.slots.without(&taken);
            if !left.is_empty() {
                table.give(claim.primary.clone(), &left);
                taken.extend(left.iter());
            }
        }
        table
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
