//! What Redis answers, and the name of one of its servers.

pub use fred::types::{Value as Reply, config::Server as Node};
