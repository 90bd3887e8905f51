//! Every drill.
//!
//! | module | what breaks |
//! |---|---|
//! | `pods` | gateways and callbacks drain, die and freeze |
//! | `redis` | one Redis server goes away, comes back, and is slow |
//! | `connections` | connections between pods and Redis break |
//! | `failover` | a primary dies and a replica replaces it |
//! | `partition` | a primary is cut off from the other Redis servers |
//! | `replicas` | a primary comes back at once, its replicas are away, its Sentinels are far away |
//! | `slots` | slots of a Redis Cluster move |
//! | `wechat` | WeChat stops pushing |
//! | `limits` | more comes than a pod accepts |
//! | `overload` | too much for a long time |

mod connections;
mod failover;
mod limits;
mod overload;
mod partition;
mod pods;
mod redis;
mod replicas;
mod slots;
mod wechat;

use super::drill::Drill;

/// All drills, in the order in which `all` runs them.
pub static DRILLS: [Drill; 38] = [
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
    partition::SENTINEL_PODS_CUT_OFF,
    partition::SENTINEL_PODS_LEFT,
    replicas::RETURNING,
    replicas::FAR_SENTINELS,
    replicas::SENTINEL_FROZEN,
    replicas::CLUSTER_FROZEN,
    slots::MOVES,
    slots::NODE_ADDED,
    slots::NODE_REMOVED,
    wechat::MARK_FAIL,
    limits::CONNECTIONS,
    limits::CONNECTS,
    limits::SCENES,
    limits::DELIVERIES,
    limits::SLOW_READERS,
    overload::CHURN,
    overload::HOSTILE,
];

/// The drill with this name.
pub fn find(name: &str) -> Option<&'static Drill> {
    DRILLS.iter().find(|drill| drill.name == name)
}
