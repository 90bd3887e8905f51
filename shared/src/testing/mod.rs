//! Fixtures that start real servers, for the tests of every crate and for the drills.

mod cluster;
mod exchange;
mod hop;
mod launch;
mod partition;
mod sentinel;
mod server;
mod shards;
mod slot_move;
mod tls;
mod until;
mod usage;

pub use cluster::RedisCluster;
pub use exchange::{exchange, hostile_requests};
pub use hop::{Flow, Hop, Way};
pub use sentinel::RedisSentinels;
pub use server::{RedisServer, acl_rules};
pub use shards::RedisShards;
pub use slot_move::SlotMove;
pub use tls::CertificateAuthority;
pub use until::until;
pub use usage::Usage;
