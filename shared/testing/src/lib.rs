//! Fixtures that start real servers, and break what is between them: for the tests of every crate, and for the
//! drills.
//!
//! | module | what it is for |
//! |---|---|
//! | `redis` | a Redis server, Sentinel, Cluster, shards; slots that move; partitions |
//! | `fault_proxy` | a TCP proxy that delays, cuts and swallows |
//! | `exchange`, `tls`, `until` | raw requests, certificates, waiting for a condition |

mod exchange;
mod fault_proxy;
mod redis;
mod tls;
mod until;

pub use exchange::{exchange, hostile_requests};
pub use fault_proxy::{
    proxy::{Direction, FaultProxy, ProxyMode},
    recording_proxy::RecordingProxy,
};
pub use redis::{
    cluster::RedisCluster,
    sentinel::RedisSentinels,
    server::{RedisServer, acl_rules},
    shards::RedisShards,
    slot_move::SlotMove,
    test_backend::TestBackend,
    usage::ProcessUsage,
};
pub use tls::CertificateAuthority;
pub use until::until;
