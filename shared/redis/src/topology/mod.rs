//! Which primary owns which slots, and how this pod learns it.
//!
//! | `bus.url` | who is asked (`source`) | how the answers are merged |
//! |---|---|---|
//! | `redis://`, `redis-shards://` | nobody: the address fixes the table for ever | `slots`: rendezvous hashing |
//! | `redis-sentinel://` | the sentinels (`sentinel_poll`), then the primary that they name | `sentinel`: the highest config epoch |
//! | `redis-cluster://` | the nodes of the Cluster | `cluster`: the highest config epoch, slot by slot |
//!
//! ```text
//!  every second,           ┌───────────┐  queries   ┌────────┐  answers  ┌──────────────────┐
//!  or after MOVED,  ─────▶ │ refresher │ ─────────▶ │ source │ ────────▶ │ cluster/sentinel │
//!  a lost connection       └─────┬─────┘            └────────┘           └────────┬─────────┘
//!                                │ ◀──────────────── new SlotTable ───────────────┘
//!                                ▼
//!                      watch channel, read by routing, subscriptions, replication
//! ```
//!
//! See docs/decisions/005-one-way-to-redis-whatever-the-layout.md.

pub(crate) mod acks;
pub(crate) mod cluster;
mod limits;
pub(crate) mod problem;
pub(crate) mod refresher;
pub(crate) mod sentinel;
mod sentinel_poll;
pub(crate) mod slots;
pub(crate) mod source;
