//! Partitions the network between the servers of one Redis, while clients reach all of them.
//!
//! Each server has a second address, 127.0.1.x, for its peers. It connects to its peers from this address, and a proxy on
//! this address forwards their connections to it. The proxies know by the source address which connections to stop:
//!
//! ```text
//!   client ─────────────────────────▶ 127.0.0.1:port   server 1
//!   server 2 (from 127.0.1.2) ──▶ proxy 127.0.1.1:port ──▶ 127.0.0.1:port
//! ```

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    thread,
};

use tokio::sync::oneshot;

use crate::{
    fault_proxy::proxy::FaultProxy,
    redis::{cluster::RedisCluster, sentinel::RedisSentinels, server::RedisServer},
};

/// The proxies through which peers reach one server. They run on a thread of their own: if they shared a busy test's
/// thread, servers would take each other for failed. The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct PeerProxies {
    proxies: Vec<FaultProxy>,
    _running: oneshot::Sender<Infallible>,
}

impl PeerProxies {
    /// Starts a proxy for each pair: the address where it listens, and the address of its server.
    pub(crate) async fn start(addresses: Vec<(SocketAddr, SocketAddr)>) -> Self {
        let (started, proxies) = oneshot::channel();
        let (running, dropped) = oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread can have a runtime").block_on(async {
                let mut proxies = vec![];
                for (address, server) in addresses {
                    proxies.push(FaultProxy::start_at(address, vec![server]).await);
                }
                // Both fail if the fixture is dropped. Then the thread ends.
                let _ = started.send(proxies);
                let _ = dropped.await;
            });
        });
        Self { proxies: proxies.await.expect("the addresses are free"), _running: running }
    }
}

/// The address of a server, by its number, for its peers.
pub(crate) fn peer_address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, 1 + u8::try_from(number).expect("there are few"))
}

impl RedisCluster {
    /// Partitions this node from all other nodes: connections stay open, and nothing is forwarded. Ends an earlier
    /// partition. The Cluster must have been started with [`RedisCluster::start_partitionable`].
    pub fn isolate(&self, node: usize) {
        isolate(self.node(node), self.nodes().iter());
    }

    /// Ends the partition.
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

    /// Ends the partition.
    pub fn heal(&self) {
        heal(self.servers());
    }
}

impl RedisServer {
    fn proxies(&self) -> impl Iterator<Item = &FaultProxy> {
        self.peer_proxies().into_iter().flat_map(|peers| &peers.proxies)
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
