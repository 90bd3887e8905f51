//! Independent Redis servers that share the keys and don't know each other.

use futures_util::future::join_all;

use crate::redis::server::{RedisServer, shared_url};

/// Several servers. Stops them when it is dropped.
#[derive(Debug)]
pub struct RedisShards {
    servers: Vec<RedisServer>,
}

impl RedisShards {
    /// Starts this many servers.
    pub async fn start(servers: usize) -> Self {
        Self { servers: join_all((0..servers).map(|_| RedisServer::start())).await }
    }

    /// The URL of all servers, as a user who may do everything.
    pub fn url(&self) -> String {
        shared_url(&self.servers[0].url(), "shards", &self.servers[1..])
    }

    /// The URL of all servers, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        shared_url(&self.servers[0].url_for(user, password), "shards", &self.servers[1..])
    }

    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// One server, to stop or start it.
    pub fn server_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.servers[number]
    }

    /// Adds a user to all servers.
    pub async fn add_user(&self, user: &str, password: &str, rules: &str) {
        join_all(self.servers.iter().map(|server| server.add_user(user, password, rules))).await;
    }
}
