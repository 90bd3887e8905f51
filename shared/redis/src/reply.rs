//! The names under which this crate shows types of the client library: an answer of Redis, and the address of a server.

pub use fred::types::{Value as Reply, config::Server as Node};
