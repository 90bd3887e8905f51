//! A network between the servers of one Redis that can come apart, while clients reach all of them.
//!
//! Each server has an address of its own on the loopback device, from which it speaks to the others; there they
//! reach it by way of a hop, which knows by their addresses whom to let through.

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

/// By which fellows reach a server. They are on a thread of their own, so that servers don't take each other for dead
/// where a test is busy, and end when this is dropped.
#[derive(Debug)]
pub(crate) struct Ways {
    hops: Vec<FaultProxy>,
    _open: oneshot::Sender<Infallible>,
}

impl Ways {
    /// From each of these addresses to the one beside it.
    pub(crate) async fn open(ways: Vec<(SocketAddr, SocketAddr)>) -> Self {
        let (opened, hops) = oneshot::channel();
        let (open, closed) = oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread can have a runtime").block_on(async {
                let mut hops = vec![];
                for (from, to) in ways {
                    hops.push(FaultProxy::at(from, vec![to]).await);
                }
                // Where nobody waits for them any more, they end at once.
                let _ = opened.send(hops);
                let _ = closed.await;
            });
        });
        Self { hops: hops.await.expect("the addresses are free"), _open: open }
    }
}

/// The address of each of them.
pub(crate) fn place(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, 1 + u8::try_from(number).expect("there are few"))
}

impl RedisCluster {
    /// Cuts this node, and no other, off from all others: nothing comes through between them, and nothing tells so. They have to
    /// have been started with [`RedisCluster::start_divisible`].
    pub fn divide(&self, node: usize) {
        divide(self.node(node), self.nodes().iter());
    }

    /// Ends [`RedisCluster::divide`].
    pub fn reunite(&self) {
        reunite(self.nodes());
    }
}

impl RedisSentinels {
    /// Cuts this server, and no other, off from all others and from the Sentinels: nothing comes through between them, and nothing
    /// tells so. They have to have been started with [`RedisSentinels::start_divisible`].
    pub fn divide(&self, server: usize) {
        divide(self.server(server), self.servers().iter().chain(self.sentinels()));
    }

    /// Ends [`RedisSentinels::divide`].
    pub fn reunite(&self) {
        reunite(self.servers());
    }
}

impl RedisServer {
    /// By which its fellows reach it, where it has a place of its own.
    fn hops(&self) -> impl Iterator<Item = &FaultProxy> {
        self.ways().into_iter().flat_map(|ways| &ways.hops)
    }
}

fn divide<'a>(one: &RedisServer, all: impl Iterator<Item = &'a RedisServer>) {
    let others: Vec<_> = all.filter(|server| server.place() != one.place()).collect();
    let places: Vec<_> = others.iter().map(|other| other.place()).collect();
    assert!(!places.contains(&[127, 0, 0, 1].into()), "clients would be cut off, too");
    one.hops().for_each(|hop| hop.divide_from(&places));
    others.iter().flat_map(|other| other.hops()).for_each(|hop| hop.divide_from(&[one.place()]));
}

fn reunite(all: &[RedisServer]) {
    all.iter().flat_map(RedisServer::hops).for_each(|hop| hop.divide_from(&[]));
}
