//! The proxies through which the servers of one Redis reach each other.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    thread,
};

use tokio::sync::oneshot;

use crate::fault_proxy::proxy::FaultProxy;

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

impl PeerProxies {
    pub(crate) fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }
}

/// The address of a server, by its number, for its peers.
pub(crate) fn peer_address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, 1 + u8::try_from(number).expect("there are few"))
}
