//! Partitions the network between the servers of one Redis, while clients reach all of them.
//!
//! Each server has a second address, 127.0.1.x, for its peers. It connects to its peers from this address, and a proxy on
//! this address forwards their connections to it. The proxies know by the source address which connections to stop:
//!
//! ```text
//!   client ─────────────────────────▶ 127.0.0.1:port   server 1
//!   server 2 (from 127.0.1.2) ──▶ proxy 127.0.1.1:port ──▶ 127.0.0.1:port
//! ```

use crate::{
    fault_proxy::proxy::FaultProxy,
    redis::{cluster::RedisCluster, peer_proxies::PeerProxies, sentinel::RedisSentinels, server::RedisServer},
};

impl RedisCluster {
    /// Partitions this node from all other nodes: connections stay open, and nothing is forwarded. Ends an earlier
    /// partition. The Cluster must have been started with [`RedisCluster::start_partitionable`].
    pub fn isolate(&self, node: usize) {
        isolate(self.node(node), self.nodes().iter());
    }

    pub fn heal(&self) {
        heal(self.nodes());
    }
}

impl RedisSentinels {
    /// Partitions this server from all other servers and from the Sentinels: connections stay open, and nothing is
    /// forwarded. Ends an earlier partition. The servers must have been started with
    /// [`RedisSentinels::start_partitionable`].
    pub fn isolate(&self, server: usize) {
        isolate(self.server(server), self.servers().iter().chain(self.sentinels()));
    }

    pub fn heal(&self) {
        heal(self.servers());
    }
}

impl RedisServer {
    fn proxies(&self) -> impl Iterator<Item = &FaultProxy> {
        self.peer_proxies().into_iter().flat_map(PeerProxies::proxies)
    }
}

fn isolate<'a>(one: &RedisServer, all: impl Iterator<Item = &'a RedisServer>) {
    let others: Vec<_> = all.filter(|server| server.peer_address() != one.peer_address()).collect();
    let addresses: Vec<_> = others.iter().map(|other| other.peer_address()).collect();
    assert!(!addresses.contains(&[127, 0, 0, 1].into()), "it would be partitioned from its clients, too");
    for proxy in one.proxies() {
        proxy.partition_from(&addresses);
    }
    for proxy in others.iter().flat_map(|other| other.proxies()) {
        proxy.partition_from(&[one.peer_address()]);
    }
}

fn heal(all: &[RedisServer]) {
    for proxy in all.iter().flat_map(RedisServer::proxies) {
        proxy.partition_from(&[]);
    }
}
