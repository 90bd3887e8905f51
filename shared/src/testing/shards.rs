//! Independent primaries that share the scenes and know nothing of each other.

use futures_util::future::join_all;

use super::RedisServer;

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
        self.url_by(&self.servers[0].url())
    }

    /// The same, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        self.url_by(&self.servers[0].url_for(user, password))
    }

    fn url_by(&self, first: &str) -> String {
        let others: Vec<_> = self.servers[1..].iter().map(|one| format!("node=127.0.0.1:{}", one.port())).collect();
        format!("{}?{}", first.replacen("://", "-shards://", 1), others.join("&"))
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
