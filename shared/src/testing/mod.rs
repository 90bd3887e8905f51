//! Fixtures that start real servers, for the tests of every crate and for the drills.

mod exchange;
mod redis;

pub use exchange::{exchange, hostile_requests};
pub use redis::{RedisServer, acl_rules};
