//! Moving a slot from one primary of a Cluster to another, one phase after another.

use crate::redis::cluster::RedisCluster;

/// A slot that is being moved. Operators' tools go through the same phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotMove {
    /// The slot.
    pub slot: u16,
    /// The primary that has it at first.
    pub from: usize,
    /// The primary that gets it.
    pub to: usize,
}

impl RedisCluster {
    /// A key's slot is to move to another primary; nothing is moved yet.
    pub async fn plan_move(&self, key: &str) -> SlotMove {
        let slot = Self::slot_of(key);
        let from = self.primary_of(slot).await;
        let to = self.primaries().await.into_iter().find(|node| *node != from).expect("there is another primary");
        SlotMove { slot, from, to }
    }

    /// The first phase: the new owner imports, the old one migrates, and the keys are where they were.
    pub async fn begin_move(&self, moving: SlotMove) {
        let SlotMove { slot, from, to } = moving;
        self.set_slot(to, slot, "IMPORTING", from).await;
        self.set_slot(from, slot, "MIGRATING", to).await;
    }

    /// The second phase: the keys are at the new owner, and the slot is still the old one's.
    pub async fn move_keys(&self, moving: SlotMove) {
        let (slot, port) = (moving.slot.to_string(), self.node(moving.to).port().to_string());
        let from = self.node(moving.from);
        let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100000"]).await;
        for key in keys.lines().filter(|key| !key.is_empty()) {
            from.ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).await;
        }
    }

    /// The third phase, at each node that is up, the new owner first: the slot is the new owner's.
    pub async fn end_move(&self, moving: SlotMove) {
        let SlotMove { slot, from, to } = moving;
        let others = self.primaries().await.into_iter().filter(|node| *node != from && *node != to);
        for node in [to, from].into_iter().chain(others) {
            self.set_slot(node, slot, "NODE", to).await;
        }
    }

    /// The third phase at one node alone.
    pub async fn end_move_at(&self, node: usize, moving: SlotMove) {
        self.set_slot(node, moving.slot, "NODE", moving.to).await;
    }

    async fn set_slot(&self, at: usize, slot: u16, how: &str, node: usize) {
        let id = self.id(node).await;
        self.node(at).ask(&["CLUSTER", "SETSLOT", &slot.to_string(), how, &id]).await;
    }
}
