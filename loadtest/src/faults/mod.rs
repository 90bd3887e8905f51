//! What can be broken in a cluster: one definition of each fault, for drills and for runs.
//!
//! | module | what it is for |
//! |---|---|
//! | `injected` | breaks something, and mends it |
//! | `redis` | each layout of Redis, and what can be broken in it |
//!
//! Imports point downwards in this table.
//!
//! See docs/decisions/108-a-fault-is-one-definition-for-drills-and-runs.md.

mod injected;
mod redis;

pub use injected::InjectedFault;
pub use redis::{FaultyRedis, ProxiedRedis};
