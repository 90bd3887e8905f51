//! Every drill.

mod connections;
mod failover;
mod limits;
mod overload;
mod partition;
mod pods;
mod redis;
mod slots;

use super::Drill;

/// All of them, in the order in which `all` runs them.
pub static DRILLS: [Drill; 31] = [
    pods::ROLLING_RESTART,
    pods::SEVERAL_AT_ONCE,
    pods::GATEWAY_KILLED,
    pods::GATEWAY_FROZEN,
    pods::CALLBACK_KILLED,
    pods::REBALANCE,
    redis::RESTART,
    redis::EMPTIED,
    redis::GONE,
    redis::SLOW,
    redis::FULL,
    connections::CUT,
    connections::HALF_OPEN,
    connections::OUTPUT_BUFFER,
    failover::SENTINEL,
    failover::SENTINEL_STALE,
    failover::CLUSTER,
    failover::CLUSTER_CUT_OFF,
    failover::CLUSTER_STALE,
    partition::SENTINEL,
    partition::CLUSTER,
    slots::MOVES,
    slots::NODE_ADDED,
    slots::NODE_REMOVED,
    limits::CONNECTIONS,
    limits::CONNECTS,
    limits::SCENES,
    limits::WEBHOOKS,
    limits::SLOW_READERS,
    overload::CHURN,
    overload::HOSTILE,
];
