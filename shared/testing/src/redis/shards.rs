//! Independent primaries that share the scenes and know nothing of each other.

use futures_util::future::join_all;

use crate::redis::server::{RedisServer, together};

/// Primaries without anything between them.
#[derive(Debug)]
pub struct RedisShards {
    servers: Vec<RedisServer>,
}

impl RedisShards {
    /// Starts so many.
    pub async fn start(servers: usize) -> Self {
        Self { servers: join_all((0..servers).map(|_| RedisServer::start())).await }
    }

    /// The address of all of them, as the default user, who may do everything.
    pub fn url(&self) -> String {
        together(&self.servers[0].url(), "shards", &self.servers[1..])
    }

    /// The same, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        together(&self.servers[0].url_for(user, password), "shards", &self.servers[1..])
    }

    /// The primaries.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// One of them, to stop or start it.
    pub fn server_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.servers[number]
    }

    /// Makes a user on all of them.
    pub async fn add_user(&self, user: &str, password: &str, rules: &str) {
        join_all(self.servers.iter().map(|server| server.add_user(user, password, rules))).await;
    }
}
