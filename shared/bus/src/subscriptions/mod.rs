//! Watches scenes over Redis: keeps what is subscribed there the same as what is watched here, and reads mailboxes
//! where events may have been lost.
//!
//! ```text
//!  redis_reader ──new watchers──▶ registry
//!  registry ──changed scenes──▶ manager ──sorted by primary──▶ a worker for each primary ──▶ Redis
//!  Redis ──connected, moved, lagged──▶ manager ──▶ registry.mark_lost, then to the workers
//! ```
//!
//! See docs/decisions/009-subscriptions-follow-watchers-by-comparing.md.

mod manager;
pub(crate) mod redis_reader;
mod shard_worker;
mod sweep;
