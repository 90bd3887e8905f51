//! Which replicas must have a write before a failover can't lose it, and why at times no replica is enough. No I/O.
//!
//! See docs/decisions/038-an-acknowledgement-names-its-replicas.md.
//! See docs/decisions/040-where-replicas-exist-one-must-acknowledge.md.

use std::{fmt, str::FromStr, sync::Arc};

use fred::types::config::Server;
use serde::{Deserialize, de};

/// `bus.min_replicas`: how many replicas must have a login before it counts as stored. Those that may be promoted must
/// have it in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinReplicas {
    /// One, where the primary has or had replicas; none elsewhere.
    #[default]
    Auto,
    /// This many. 0 means that logins go on while all replicas are down, and that a failover may lose them.
    AtLeast(usize),
}

impl MinReplicas {
    /// What a primary needs whose replicas `candidates` may be promoted, of which `up` can acknowledge. `known` is how
    /// many it has, or had, whatever became of them.
    pub(crate) fn required(self, candidates: RequiredReplicas, up: usize, known: usize) -> RequiredAcks {
        let least = match self {
            Self::Auto => known.min(1),
            Self::AtLeast(replicas) => replicas,
        };
        if up < least {
            return RequiredAcks::Unattainable(AckObstacle::NoReplica);
        }
        RequiredAcks::Replicas(RequiredReplicas { count: candidates.count.max(least), ..candidates })
    }
}

impl FromStr for MinReplicas {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        /// Redis has no sensible set-up with more, so a larger number is a slip.
        const MOST: usize = 100;
        match text.parse() {
            Ok(replicas) if replicas <= MOST => Ok(Self::AtLeast(replicas)),
            _ if text == "auto" => Ok(Self::Auto),
            _ => Err("must be \"auto\" or a number of replicas from 0 to 100"),
        }
    }
}

impl<'de> Deserialize<'de> for MinReplicas {
    /// Reads a number, or text: an environment variable is always text.
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum NumberOrText {
            Number(i64),
            Text(String),
        }
        let text = match NumberOrText::deserialize(from) {
            Ok(NumberOrText::Number(number)) => number.to_string(),
            Ok(NumberOrText::Text(text)) => text,
            Err(_) => String::new(),
        };
        text.parse().map_err(de::Error::custom)
    }
}

/// What has to acknowledge a write to a primary before a failover can't lose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequiredAcks {
    /// These replicas; none where the primary has none.
    Replicas(RequiredReplicas),
    /// No replica is enough now.
    Unattainable(AckObstacle),
}

impl RequiredAcks {
    /// This many replicas, whichever they are.
    pub(crate) fn count(count: usize) -> Self {
        Self::Replicas(RequiredReplicas::count(count))
    }

    /// Whether a write counts as stored without asking any replica.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Replicas(replicas) if replicas.count == 0)
    }
}

/// The replicas that must have a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequiredReplicas {
    /// How many there must be.
    pub(crate) count: usize,
    /// These must be among them, by their addresses as the primary knows them. `WAIT` only counts: without this,
    /// a replica that nobody would promote could stand in for the one that is just being promoted.
    pub(crate) named: Arc<[Server]>,
}

impl RequiredReplicas {
    /// This many, whichever they are.
    pub(crate) fn count(count: usize) -> Self {
        Self { count, named: [].into() }
    }

    /// These.
    pub(crate) fn named(named: Arc<[Server]>) -> Self {
        Self { count: named.len(), named }
    }

    /// Whether the replicas that have the write are enough.
    pub(crate) fn are_met_by(&self, acknowledged: &[Server]) -> bool {
        let has = |named: &Server| acknowledged.iter().any(|replica| is_same_server(replica, named));
        acknowledged.len() >= self.count && self.named.iter().all(has)
    }
}

/// A name and an address can't be compared, so of such a pair only the port counts.
fn is_same_server(one: &Server, other: &Server) -> bool {
    let is_address = |server: &Server| server.host.parse::<std::net::IpAddr>().is_ok();
    one.port == other.port && (one.host == other.host || is_address(one) != is_address(other))
}

/// Why no write to a primary counts as stored now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AckObstacle {
    /// The sentinels, or a node of the Cluster, take the primary for failed.
    Suspected,
    /// A sentinel is putting a replica in its place.
    FailingOver,
    /// Fewer than half of the sentinels say that it is the primary, or answer at all.
    NoMajority,
    /// Fewer of its replicas are up than must acknowledge.
    NoReplica,
}

impl AckObstacle {
    pub(crate) const ALL: [Self; 4] = [Self::Suspected, Self::FailingOver, Self::NoMajority, Self::NoReplica];

    /// Its word in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::FailingOver => "failing_over",
            Self::NoMajority => "no_majority",
            Self::NoReplica => "no_replica",
        }
    }
}

/// Says it to an operator, with what to do.
impl fmt::Display for AckObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suspected => {
                "the sentinels or another node can't reach it, so a replica may replace it. If this lasts, check it"
            }
            Self::FailingOver => "a sentinel is replacing it by a replica. If this lasts, read the sentinels' logs",
            Self::NoMajority => {
                "fewer than half of the sentinels answer this pod and name it as the primary. If this lasts, check that \
                 the sentinels are up, that this pod reaches each of them, and that bus.url names them all"
            }
            Self::NoReplica => {
                "too few of its replicas are up. Bring them back. To go on without them, and lose logins if this \
                 server fails, set bus.min_replicas to 0"
            }
        })
    }
}

#[cfg(test)]
#[path = "acks_tests.rs"]
mod tests;
