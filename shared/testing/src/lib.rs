//! Fixtures that start real Redis servers and make networks fail, for the tests of every crate and for the drills.
//!
//! | module | what it is for |
//! |---|---|
//! | `redis` | a Redis server, Sentinel, Cluster, shards; moving slots; partitions |
//! | `fault_proxy` | a TCP proxy that delays, disconnects and drops |
//! | `exchange`, `metric` | raw HTTP requests; samples from Prometheus's text format |
//! | `tls`, `until` | certificates; waiting for a condition |

mod exchange;
mod fault_proxy;
mod metric;
mod redis;
mod tls;
mod until;

pub use exchange::{exchange, hostile_requests};
pub use fault_proxy::{
    proxy::FaultProxy,
    recording_proxy::RecordingProxy,
    state::{Direction, ProxyMode},
};
pub use metric::{metric_value, series_value};
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
