//! The address of each listener in a cluster.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU8, Ordering},
};

static CLUSTERS: AtomicU8 = AtomicU8::new(1);

/// The addresses of one cluster. They share a host that no other cluster uses, so that all ports are free.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    host: Ipv4Addr,
}

impl Addresses {
    /// Addresses on a new host: 127.x.y.z, where x and y are from the process id, and z counts clusters.
    pub(super) fn unused() -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Self { host: Ipv4Addr::new(127, 1 + high % 250, low, CLUSTERS.fetch_add(1, Ordering::Relaxed)) }
    }

    pub(super) fn any_port(self) -> SocketAddr {
        (self.host, 0).into()
    }

    pub(super) fn gateway_public(self, n: usize) -> SocketAddr {
        self.at(8000, n)
    }

    pub(super) fn gateway_admin(self, n: usize) -> SocketAddr {
        self.at(8100, n)
    }

    pub(super) fn callback_public(self, n: usize) -> SocketAddr {
        self.at(8200, n)
    }

    pub(super) fn callback_internal(self, n: usize) -> SocketAddr {
        self.at(8300, n)
    }

    pub(super) fn callback_admin(self, n: usize) -> SocketAddr {
        self.at(8400, n)
    }

    pub(super) fn gateway_on_open(self, n: usize) -> SocketAddr {
        self.at(8500, n)
    }

    pub(super) fn ingress(self) -> SocketAddr {
        self.at(8600, 0)
    }

    fn at(self, base: u16, n: usize) -> SocketAddr {
        (self.host, base + u16::try_from(n).expect("fewer than 100 processes")).into()
    }
}
