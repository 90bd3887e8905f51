//! Fixtures that start real servers, for the tests of every crate and for the drills.

mod redis;

pub use redis::{RedisServer, acl_rules};
