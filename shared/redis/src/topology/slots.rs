//! The one idea that every layout shares: each of 16,384 slots belongs to a primary.

use std::fmt;

use fred::types::config::Server;
use sha2::{Digest, Sha256};

/// As many as a Redis Cluster has.
const SLOTS: u16 = 16_384;
/// In place of a primary's number: nobody owns the slot.
const NOBODY: u16 = u16::MAX;

/// What a key or a channel falls into, as in a Redis Cluster: what is in braces decides, if anything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u16);

impl Slot {
    /// The slot of this key or channel.
    pub fn of(name: &str) -> Self {
        Self(fred::util::redis_keyslot(name.as_bytes()))
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// As Redis writes it.
    pub(crate) fn numbered(number: u16) -> Option<Self> {
        (number < SLOTS).then_some(Self(number))
    }

    /// This one and all up to that one.
    pub(crate) fn to(self, last: Self) -> impl Iterator<Item = Self> {
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
    /// The empty set.
    pub fn none() -> Self {
        Self(Box::new([0; SLOTS as usize / 64]))
    }

    /// Whether this slot is in it.
    pub fn contains(&self, slot: Slot) -> bool {
        self.0[slot.index() / 64] & (1 << (slot.index() % 64)) != 0
    }

    /// Whether it has no slot.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn insert(&mut self, slot: Slot) {
        self.0[slot.index() / 64] |= 1 << (slot.index() % 64);
    }

    /// These, but none of those.
    pub(crate) fn without(&self, those: &Self) -> Self {
        self.iter().filter(|slot| !those.contains(*slot)).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        all().filter(|slot| self.contains(*slot))
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slots({})", self.iter().count())
    }
}

impl Extend<Slot> for Slots {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        slots.into_iter().for_each(|slot| self.insert(slot));
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::none();
        set.extend(slots);
        set
    }
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = Slot> {
    (0..SLOTS).map(Slot)
}

/// A server that owns slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) node: Server,
    /// By which change it got what it owns, where those who know count them.
    pub(crate) epoch: u64,
    /// What its writes need; `None` as long as that isn't known.
    pub(crate) acks: Option<RequiredAcks>,
}

/// How many replicas have to have a write to a primary before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RequiredAcks {
    /// So many.
    Needed(usize),
    /// It doesn't count however many do: another node is about to take the primary's place.
    InVain,
}

/// Who owns which slots.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SlotTable {
    primaries: Vec<Primary>,
    /// For each slot, the number of its primary.
    owners: Box<[u16]>,
}

impl SlotTable {
    /// Nobody owns anything.
    pub(crate) fn empty() -> Self {
        Self { primaries: vec![], owners: vec![NOBODY; SLOTS.into()].into() }
    }

    /// Independent primaries: each slot belongs to the one that ranks highest for it, so that one more
    /// takes its share from all others, and nothing moves between those. Every pod has to come to
    /// the same answer from the same addresses, so this never changes.
    pub(crate) fn shared_among(primaries: Vec<Primary>) -> Self {
        let seeds: Vec<u64> = primaries.iter().map(|primary| seed(&primary.node)).collect();
        let mut table = Self { primaries, ..Self::empty() };
        for slot in all() {
            let highest = (0_u16..).zip(&seeds).max_by_key(|(_, seed)| rank(**seed, slot));
            table.owners[slot.index()] = highest.map_or(NOBODY, |(number, _)| number);
        }
        table
    }

    /// One more primary, which takes these slots from whoever had them.
    pub(crate) fn give(&mut self, primary: Primary, slots: &Slots) {
        let number = u16::try_from(self.primaries.len()).expect("a primary has at least a slot of its own");
        self.primaries.push(primary);
        for slot in slots.iter() {
            self.owners[slot.index()] = number;
        }
    }

    /// The slot's primary.
    pub(crate) fn owner(&self, slot: Slot) -> Option<&Server> {
        self.primary(slot).map(|primary| &primary.node)
    }

    pub(crate) fn primaries(&self) -> impl Iterator<Item = &Primary> {
        self.primaries.iter()
    }

    pub(crate) fn nodes(&self) -> Vec<Server> {
        self.primaries.iter().map(|primary| primary.node.clone()).collect()
    }

    /// What writes to this primary need, if it is one and that is known.
    pub(crate) fn acks(&self, node: &Server) -> Option<RequiredAcks> {
        self.primaries.iter().find(|primary| primary.node == *node)?.acks
    }

    /// The same, with what is known now of what writes to the primaries need, in their order.
    pub(crate) fn needing(mut self, acks: impl IntoIterator<Item = Option<RequiredAcks>>) -> Self {
        for (primary, acks) in self.primaries.iter_mut().zip(acks) {
            primary.acks = acks;
        }
        self
    }

    pub(crate) fn has(&self, node: &Server) -> bool {
        self.primaries.iter().any(|primary| primary.node == *node)
    }

    pub(crate) fn slots_of(&self, node: &Server) -> Slots {
        all().filter(|slot| self.owner(*slot) == Some(node)).collect()
    }

    /// The slots whose primary is another than in an older table, or the same in another epoch: a slot can have
    /// left it and come back in between, and nothing else tells so.
    pub(crate) fn moved_since(&self, older: &Self) -> Slots {
        let owner = |primary: &Primary| (primary.node.clone(), primary.epoch);
        all().filter(|slot| self.primary(*slot).map(owner) != older.primary(*slot).map(owner)).collect()
    }

    fn primary(&self, slot: Slot) -> Option<&Primary> {
        self.primaries.get(usize::from(self.owners[slot.index()]))
    }
}

/// Its primaries.
impl fmt::Display for SlotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes: Vec<_> = self.primaries.iter().map(|primary| primary.node.to_string()).collect();
        nodes.sort_unstable();
        f.write_str(&nodes.join(" "))
    }
}

fn seed(node: &Server) -> u64 {
    let digest = Sha256::digest(format!("{}:{}", node.host, node.port));
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// `MurmurHash3`'s finalizer: every bit of what goes in changes half of the bits that come out.
fn rank(seed: u64, slot: Slot) -> u64 {
    let mut rank = seed ^ u64::from(slot.0);
    rank = (rank ^ (rank >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    rank = (rank ^ (rank >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    rank ^ (rank >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(host: &str) -> Primary {
        Primary { node: Server::new(host, 6379), epoch: 0, acks: None }
    }

    #[test]
    fn a_name_falls_into_the_slot_that_redis_says() {
        // CLUSTER KEYSLOT's answers.
        for (name, slot) in [("", 0), ("123456789", 12739), ("foo", 12182), ("{foo}.bar", 12182), ("{}foo", 9500)] {
            assert_eq!(Slot::of(name), Slot(slot), "{name}");
        }
        assert_eq!((Slot::numbered(16_383), Slot::numbered(16_384)), (Some(Slot(16_383)), None));
    }

    #[test]
    fn one_more_primary_takes_its_share_and_nothing_moves_between_the_others() {
        let three = SlotTable::shared_among(["a", "b", "c"].map(primary).into());
        let four = SlotTable::shared_among(["d", "b", "a", "c"].map(primary).into());
        let new = Server::new("d", 6379);
        let moved = four.moved_since(&three);
        assert_eq!(moved, four.slots_of(&new));
        for table in [three, four] {
            let fair = usize::from(SLOTS) / table.primaries.len();
            for primary in table.primaries() {
                let share = table.slots_of(&primary.node).iter().count();
                assert!(share.abs_diff(fair) < fair / 10, "{} has {share}", primary.node);
            }
        }
    }

    #[test]
    fn who_owns_a_slot_never_changes_from_one_version_to_the_next() {
        let table = SlotTable::shared_among(["redis-0", "redis-1", "redis-2"].map(primary).into());
        let owners = [0, 1, 2, 3, 8_000, 16_383].map(|slot| table.owner(Slot(slot)).unwrap().host.to_string());
        assert_eq!(owners, ["redis-2", "redis-2", "redis-0", "redis-2", "redis-0", "redis-2"]);
    }

    #[test]
    fn whoever_is_given_a_slot_last_has_it() {
        let mut table = SlotTable::empty();
        assert_eq!(table.owner(Slot(7)), None);
        table.give(primary("a"), &[Slot(7), Slot(8)].into_iter().collect());
        let before = table.clone();
        table.give(Primary { acks: Some(RequiredAcks::Needed(1)), ..primary("b") }, &[Slot(8)].into_iter().collect());
        let (a, b) = (Server::new("a", 6379), Server::new("b", 6379));
        assert_eq!([7, 8, 9].map(|slot| table.owner(Slot(slot))), [Some(&a), Some(&b), None]);
        assert_eq!(table.moved_since(&before), [Slot(8)].into_iter().collect());
        let renewed = SlotTable {
            primaries: vec![Primary { epoch: 1, ..primary("a") }, table.primaries[1].clone()],
            ..table.clone()
        };
        assert_eq!(renewed.moved_since(&table), [Slot(7)].into_iter().collect(), "it may have been away");
        assert_eq!((table.acks(&a), table.acks(&b), table.has(&a)), (None, Some(RequiredAcks::Needed(1)), true));
    }
}
