//! The slot table. Every layout of Redis is described by one: each of 16,384 slots belongs to a primary.
//!
//! ```text
//!  key or channel ──CRC16──▶ slot ──▶ owners[slot] ──▶ primaries[number]
//!                                                      ├ node            where it listens
//!                                                      ├ epoch           counts changes of its ownership
//!                                                      └ required_acks   which replicas must confirm a write
//! ```

use std::fmt;

use fred::types::config::Server;
use sha2::{Digest, Sha256};

use crate::topology::acks::RequiredAcks;

/// The number of slots, the same as in a Redis Cluster.
const SLOTS: u16 = 16_384;
/// Stands in `owners` for a slot that has no primary.
const NO_OWNER: u16 = u16::MAX;

/// The slot of a key or channel, as Redis Cluster computes it. If the name has a part in braces, only that part
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u16);

impl Slot {
    /// The slot of this key or channel.
    pub fn of(name: &str) -> Self {
        Self(fred::util::redis_keyslot(name.as_bytes()))
    }

    /// The slot's number, below 16,384.
    pub fn number(self) -> u16 {
        self.0
    }

    /// `None` if there is no slot of this number.
    pub(crate) fn from_number(number: u16) -> Option<Self> {
        (number < SLOTS).then_some(Self(number))
    }

    /// The slots from this one to `last`, both included.
    pub(crate) fn through(self, last: Self) -> impl Iterator<Item = Self> {
        (self.0..=last.0).map(Self)
    }

    fn index(self) -> usize {
        self.0.into()
    }
}

/// A set of slots.
#[derive(Clone, PartialEq, Eq)]
pub struct Slots(Box<[u64; SLOTS as usize / 64]>);

impl Slots {
    /// A set without slots.
    pub fn empty() -> Self {
        Self(Box::new([0; SLOTS as usize / 64]))
    }

    /// Whether this slot is in the set.
    pub fn contains(&self, slot: Slot) -> bool {
        self.0[slot.index() / 64] & (1 << (slot.index() % 64)) != 0
    }

    /// Whether the set has no slot.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn insert(&mut self, slot: Slot) {
        self.0[slot.index() / 64] |= 1 << (slot.index() % 64);
    }

    /// The slots that are in this set and not in `other`.
    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.iter().filter(|slot| !other.contains(*slot)).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        all_slots().filter(|slot| self.contains(*slot))
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slots({})", self.iter().count())
    }
}

impl Extend<Slot> for Slots {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        for slot in slots {
            self.insert(slot);
        }
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::empty();
        set.extend(slots);
        set
    }
}

pub(crate) fn all_slots() -> impl Iterator<Item = Slot> {
    (0..SLOTS).map(Slot)
}

/// A server that owns slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) node: Server,
    /// The config epoch: it grows each time that slots (Cluster) or the role of primary (Sentinel) change hands.
    /// Always 0 where neither is used.
    pub(crate) epoch: u64,
    /// `None` until somebody has said it.
    pub(crate) required_acks: Option<RequiredAcks>,
}

/// Which primary owns which slots. A table never changes; a new one replaces it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SlotTable {
    primaries: Vec<Primary>,
    /// For each slot, the index of its primary in `primaries`, or [`NO_OWNER`].
    owners: Box<[u16]>,
}

impl SlotTable {
    /// A table without primaries.
    pub(crate) fn empty() -> Self {
        Self { primaries: vec![], owners: vec![NO_OWNER; SLOTS.into()].into() }
    }

    /// Distributes all slots among independent primaries by rendezvous hashing: each slot belongs to the primary with
    /// the highest weight for it. One more primary takes its share from all others, and no slot moves between those.
    /// Every pod of every version must compute the same table from the same addresses, so this must never change.
    pub(crate) fn rendezvous(primaries: Vec<Primary>) -> Self {
        let seeds: Vec<u64> = primaries.iter().map(|primary| seed(&primary.node)).collect();
        let mut table = Self { primaries, ..Self::empty() };
        for slot in all_slots() {
            let highest = (0_u16..).zip(&seeds).max_by_key(|(_, seed)| weight(**seed, slot));
            table.owners[slot.index()] = highest.map_or(NO_OWNER, |(number, _)| number);
        }
        table
    }

    /// Adds a primary and makes it the owner of these slots. They may have had another owner.
    pub(crate) fn assign(&mut self, primary: Primary, slots: &Slots) {
        let number =
            u16::try_from(self.primaries.len()).expect("each primary owns a slot, so there are at most 16,384");
        self.primaries.push(primary);
        for slot in slots.iter() {
            self.owners[slot.index()] = number;
        }
    }

    /// The primary that owns the slot.
    pub(crate) fn owner(&self, slot: Slot) -> Option<&Server> {
        self.primary_of(slot).map(|primary| &primary.node)
    }

    /// Whether each slot has an owner.
    pub(crate) fn has_all_slots(&self) -> bool {
        all_slots().all(|slot| self.owner(slot).is_some())
    }

    pub(crate) fn primaries(&self) -> impl Iterator<Item = &Primary> {
        self.primaries.iter()
    }

    pub(crate) fn nodes(&self) -> Vec<Server> {
        self.primaries.iter().map(|primary| primary.node.clone()).collect()
    }

    /// `None` if the node isn't a primary, or nobody has said it yet.
    pub(crate) fn required_acks(&self, node: &Server) -> Option<&RequiredAcks> {
        self.primaries.iter().find(|primary| primary.node == *node)?.required_acks.as_ref()
    }

    /// The same table with other `required_acks`, given in the order of the primaries.
    pub(crate) fn with_required_acks(mut self, acks: impl IntoIterator<Item = Option<RequiredAcks>>) -> Self {
        for (primary, acks) in self.primaries.iter_mut().zip(acks) {
            primary.required_acks = acks;
        }
        self
    }

    pub(crate) fn has_primary(&self, node: &Server) -> bool {
        self.primaries.iter().any(|primary| primary.node == *node)
    }

    pub(crate) fn slots_of(&self, node: &Server) -> Slots {
        all_slots().filter(|slot| self.owner(*slot) == Some(node)).collect()
    }

    /// The slots that have another primary than in the older table, or the same primary in another epoch. A changed
    /// epoch counts because the slot may have left its primary and come back in between, unseen.
    pub(crate) fn changed_since(&self, older: &Self) -> Slots {
        let ownership = |primary: &Primary| (primary.node.clone(), primary.epoch);
        all_slots()
            .filter(|slot| self.primary_of(*slot).map(ownership) != older.primary_of(*slot).map(ownership))
            .collect()
    }

    fn primary_of(&self, slot: Slot) -> Option<&Primary> {
        self.primaries.get(usize::from(self.owners[slot.index()]))
    }
}

/// Writes the addresses of the primaries, sorted.
impl fmt::Display for SlotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes: Vec<_> = self.primaries.iter().map(|primary| primary.node.to_string()).collect();
        nodes.sort_unstable();
        f.write_str(&nodes.join(" "))
    }
}

fn seed(node: &Server) -> u64 {
    let digest = Sha256::digest(format!("{}:{}", node.host, node.port));
    u64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 digest has 32 bytes"))
}

/// The finalizer of `MurmurHash3`: each bit of the input changes about half of the bits of the result.
fn weight(seed: u64, slot: Slot) -> u64 {
    let mut weight = seed ^ u64::from(slot.0);
    weight = (weight ^ (weight >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    weight = (weight ^ (weight >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    weight ^ (weight >> 33)
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
