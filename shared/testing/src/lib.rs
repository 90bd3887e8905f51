//! Fixtures that start real Redis servers and make networks fail, for the tests of every crate and for the drills.
//!
//! | module | what it is for |
//! |---|---|
//! | `test_backend` | memory, and every layout of Redis: what the contract tests run over |
//! | `redis` | a Redis server, Sentinel, Cluster, shards; moving slots; partitions; a proxy that records |
//! | `fault_proxy` | a TCP proxy that delays, disconnects and drops |
//! | `nginx` | nginx, with any configuration |
//! | `kept_log` | what was logged |
//! | `exchange`, `metric` | raw HTTP requests; samples from Prometheus's text format |
//! | `sample_config` | the settings that a sample file shows |
//! | `tls`, `until` | certificates; waiting for a condition |

mod exchange;
mod fault_proxy;
mod kept_log;
mod metric;
mod nginx;
mod redis;
mod sample_config;
mod test_backend;
mod tls;
mod until;

pub use exchange::{exchange, hostile_requests};
pub use fault_proxy::{
    proxy::FaultProxy,
    state::{Direction, ProxyMode},
};
pub use kept_log::{KeptLog, LogText};
pub use metric::{metric_value, series_value};
pub use nginx::Nginx;
pub use redis::{
    cluster::RedisCluster,
    launch::detach_servers,
    partition::{ClientSide, CutOffZone},
    recording_proxy::RecordingProxy,
    sentinel::RedisSentinels,
    server::RedisServer,
    shards::RedisShards,
    slot_move::SlotMove,
    usage::ProcessUsage,
    users::{CALLBACK_PASSWORD, EXPORTER_PASSWORD, GATEWAY_PASSWORD, OPERATOR_PASSWORD, acl_rules},
};
pub use sample_config::settings_in;
pub use test_backend::TestBackend;
pub use tls::CertificateAuthority;
pub use until::until;
