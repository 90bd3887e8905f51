//! Each layout of Redis, and what can be broken in it.

use scenecast_testing::{FaultProxy, RedisCluster, RedisSentinels, RedisServer};

use crate::{
    cluster::ClusterRedis,
    plan::{FaultKind, FaultyPart},
};

/// A Redis that can be broken.
pub trait FaultyRedis: ClusterRedis {
    /// Whether this fault can be injected into a cluster around such a Redis. Injecting another one does nothing.
    fn can_have(kind: FaultKind) -> bool;

    /// The number of a server that takes writes now.
    fn writing_server(&self) -> impl Future<Output = usize>;

    /// The server with this number.
    fn server_to_break(&mut self, number: usize) -> &mut RedisServer;

    /// Cuts this server off from the other Redis servers.
    fn cut_off_server(&self, _number: usize) {}

    /// Ends [`FaultyRedis::cut_off_server`].
    fn end_cut_off(&self) {}

    /// What is between the pods and Redis.
    fn proxy(&self) -> Option<&FaultProxy> {
        None
    }
}

/// What is always possible: everything in pods, and one server that is killed or frozen.
fn is_in_any_layout(kind: FaultKind) -> bool {
    kind.part() != FaultyPart::Redis || matches!(kind, FaultKind::RedisKilled | FaultKind::RedisFrozen)
}

fn is_for_one_server(kind: FaultKind) -> bool {
    is_in_any_layout(kind) || matches!(kind, FaultKind::RedisEmptied | FaultKind::RedisFull)
}

impl FaultyRedis for RedisServer {
    fn can_have(kind: FaultKind) -> bool {
        is_for_one_server(kind)
    }

    async fn writing_server(&self) -> usize {
        0
    }

    fn server_to_break(&mut self, _number: usize) -> &mut RedisServer {
        self
    }
}

/// A Redis that all pods reach through a proxy.
pub struct ProxiedRedis {
    server: RedisServer,
    proxy: FaultProxy,
}

impl ClusterRedis for ProxiedRedis {
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(vec![server.address()]).await;
        Self { server, proxy }
    }

    fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.proxy.address())
    }
}

impl FaultyRedis for ProxiedRedis {
    fn can_have(kind: FaultKind) -> bool {
        is_for_one_server(kind)
            || matches!(kind, FaultKind::RedisDisconnected | FaultKind::RedisStalled | FaultKind::RedisSlow)
    }

    async fn writing_server(&self) -> usize {
        0
    }

    fn server_to_break(&mut self, _number: usize) -> &mut RedisServer {
        &mut self.server
    }

    fn proxy(&self) -> Option<&FaultProxy> {
        Some(&self.proxy)
    }
}

impl FaultyRedis for RedisSentinels {
    fn can_have(kind: FaultKind) -> bool {
        is_in_any_layout(kind) || kind == FaultKind::RedisPartitioned
    }

    async fn writing_server(&self) -> usize {
        self.primary().await
    }

    fn server_to_break(&mut self, number: usize) -> &mut RedisServer {
        self.server_mut(number)
    }

    fn cut_off_server(&self, number: usize) {
        self.isolate(number);
    }

    fn end_cut_off(&self) {
        self.heal();
    }
}

impl FaultyRedis for RedisCluster {
    fn can_have(kind: FaultKind) -> bool {
        is_in_any_layout(kind) || kind == FaultKind::RedisPartitioned
    }

    /// One of three primaries: the one that owns slot 0.
    async fn writing_server(&self) -> usize {
        self.primary_of(0).await
    }

    fn server_to_break(&mut self, number: usize) -> &mut RedisServer {
        self.node_mut(number)
    }

    fn cut_off_server(&self, number: usize) {
        self.isolate(number);
    }

    fn end_cut_off(&self) {
        self.heal();
    }
}
