//! Keeps what is subscribed in Redis the same as what is watched here, and reads mailboxes where events may have
//! been lost.
//!
//! ```text
//!  registry ──changed scenes──▶ manager ──sorted by primary──▶ a worker for each primary ──▶ Redis
//!  Redis ──connected, moved, lagged──▶ manager ──▶ registry.mark_lost, then to the workers
//! ```
//!
//! See docs/decisions/009-subscriptions-follow-watchers-by-comparing.md.

pub(crate) mod manager;
mod shard_worker;
