//! Moves a slot from one primary of a Cluster to another, phase by phase, as operators' tools do.
//!
//! ```text
//! phase             at the old owner   at the new owner   other nodes
//! plan_move         owner              –                  know the old owner
//! begin_move        MIGRATING          IMPORTING          know the old owner
//! move_keys         keys are gone      has the keys       know the old owner
//! end_move          redirects          owner              know the new owner
//! ```

use crate::redis::{cluster::RedisCluster, users::ADMIN};

/// The move of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotMove {
    pub slot: u16,
    /// The number of the old owner.
    pub from: usize,
    /// The number of the new owner.
    pub to: usize,
}

impl RedisCluster {
    /// Plans to move the slot of this key to another primary. Nothing changes yet.
    pub async fn plan_move(&self, key: &str) -> SlotMove {
        let slot = Self::slot_of(key);
        let from = self.primary_of(slot).await;
        let to = self.primaries().await.into_iter().find(|node| *node != from).expect("there is another primary");
        SlotMove { slot, from, to }
    }

    /// Phase 1: marks the slot as importing at the new owner, and as migrating at the old owner.
    pub async fn begin_move(&self, moving: SlotMove) {
        let SlotMove { slot, from, to } = moving;
        self.set_slot(to, slot, "IMPORTING", from).await;
        self.set_slot(from, slot, "MIGRATING", to).await;
    }

    /// Phase 2: moves the keys. The old owner still owns the slot.
    pub async fn move_keys(&self, moving: SlotMove) {
        let slot = moving.slot.to_string();
        let port = self.node(moving.to).port().to_string();
        let from = self.node(moving.from);
        let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100000"]).await;
        for key in keys.lines().filter(|key| !key.is_empty()) {
            from.ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000", "AUTH2", ADMIN, ADMIN]).await;
        }
    }

    /// Phase 3: tells every primary about the new owner, the new owner first.
    pub async fn end_move(&self, moving: SlotMove) {
        let SlotMove { slot, from, to } = moving;
        let others = self.primaries().await.into_iter().filter(|node| *node != from && *node != to);
        for node in [to, from].into_iter().chain(others) {
            self.set_slot(node, slot, "NODE", to).await;
        }
    }

    /// Phase 3 at one node only.
    pub async fn end_move_at(&self, node: usize, moving: SlotMove) {
        self.set_slot(node, moving.slot, "NODE", moving.to).await;
    }

    async fn set_slot(&self, at: usize, slot: u16, state: &str, node: usize) {
        let id = self.id(node).await;
        self.node(at).ask(&["CLUSTER", "SETSLOT", &slot.to_string(), state, &id]).await;
    }
}
