//! Partitions the network between the servers of one Redis, while clients reach all of them.
//!
//! Each server has a second address, 127.0.1.x, for its peers. It connects to its peers from this address, and a proxy on
//! this address forwards their connections to it. The proxies know by the source address which connections to stop:
//!
//! ```text
//!   client ─────────────────────────▶ 127.0.0.1:port   server 1
//!   server 2 (from 127.0.1.2) ──▶ proxy 127.0.1.1:port ──▶ 127.0.0.1:port
//! ```
//!
//! Clients that are given the second addresses connect from 127.0.0.1, and can be on either side of a partition.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

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

/// A zone that is cut off from the rest: the numbers of its servers and Sentinels.
#[derive(Debug, Clone, Copy)]
pub struct CutOffZone<'a> {
    pub servers: &'a [usize],
    pub sentinels: &'a [usize],
    pub clients: ClientSide,
}

/// Where the clients are during a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSide {
    /// In the zone that is cut off: they reach nothing else.
    CutOff,
    /// Outside of it: they don't reach the zone.
    Rest,
    /// They reach all servers.
    Both,
}

impl RedisSentinels {
    /// Partitions this server from all other servers and from the Sentinels: connections stay open, and nothing is
    /// forwarded. Ends an earlier partition. The servers must have been started with
    /// [`RedisSentinels::start_partitionable`].
    pub fn isolate(&self, server: usize) {
        self.cut_off(CutOffZone { servers: &[server], sentinels: &[], clients: ClientSide::Both });
    }

    /// Partitions this zone from all other servers and Sentinels, as [`RedisSentinels::isolate`] does with one server.
    pub fn cut_off(&self, zone: CutOffZone) {
        let in_zone = |numbers: &[usize], all: &[RedisServer]| -> Vec<bool> {
            (0..all.len()).map(|number| numbers.contains(&number)).collect()
        };
        let inside = [in_zone(zone.servers, self.servers()), in_zone(zone.sentinels, self.sentinels())].concat();
        let all: Vec<_> = self.servers().iter().chain(self.sentinels()).zip(inside).collect();
        for (server, is_inside) in &all {
            let others = all.iter().filter(|(_, other_is_inside)| other_is_inside != is_inside);
            let others = others.map(|(other, _)| other.peer_address());
            let is_beyond_reach = match zone.clients {
                ClientSide::CutOff => !is_inside,
                ClientSide::Rest => *is_inside,
                ClientSide::Both => false,
            };
            let clients = is_beyond_reach.then_some(IpAddr::from(Ipv4Addr::LOCALHOST));
            let others: Vec<_> = others.chain(clients).collect();
            for proxy in server.proxies() {
                proxy.partition_from(&others);
            }
        }
    }

    /// Delays what this Sentinel says to clients and peers, as if it were far away. It must have been started with
    /// [`RedisSentinels::start_partitionable`].
    pub fn delay_sentinel(&self, sentinel: usize, delay: Duration) {
        for proxy in self.sentinels()[sentinel].proxies() {
            proxy.set_delay(delay);
        }
    }

    pub fn heal(&self) {
        heal(self.servers());
        heal(self.sentinels());
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
