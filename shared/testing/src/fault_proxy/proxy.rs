//! A TCP proxy that forwards connections, or fails as a network fails.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch};

use crate::fault_proxy::{
    relay::Relay,
    state::{Direction, ProxyMode, ProxyState, Tap},
};

/// A proxy in front of servers, in place of a load balancer or a firewall. Clones control the same proxy. It runs as long
/// as its tokio runtime.
#[derive(Debug, Clone)]
pub struct FaultProxy {
    address: SocketAddr,
    state: watch::Sender<ProxyState>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of 127.0.0.1. Each connection goes to any of the `upstreams` that accepts it.
    pub async fn start(upstreams: Vec<SocketAddr>) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), upstreams).await
    }

    /// As [`FaultProxy::start`], at this address.
    pub async fn start_at(address: SocketAddr, upstreams: Vec<SocketAddr>) -> Self {
        Self::listen(address, upstreams, Arc::new(|_, _, _| {})).await
    }

    /// As [`FaultProxy::start`]; `tap` sees all bytes before they are forwarded.
    pub(crate) async fn start_with_tap(upstreams: Vec<SocketAddr>, tap: Tap) -> Self {
        Self::listen(([127, 0, 0, 1], 0).into(), upstreams, tap).await
    }

    async fn listen(address: SocketAddr, upstreams: Vec<SocketAddr>, tap: Tap) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = watch::Sender::new(ProxyState { upstreams, ..ProxyState::default() });
        tokio::spawn(Relay { state: state.clone(), tap }.run(listener));
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted so far.
    pub fn connections(&self) -> usize {
        self.state.borrow().connections
    }

    /// New connections go to any of these from now on.
    pub fn set_upstreams(&self, upstreams: Vec<SocketAddr>) {
        self.state.send_modify(|state| state.upstreams = upstreams);
    }

    /// Closes every connection. New connections are forwarded.
    pub fn disconnect_all(&self) {
        self.state.send_modify(|state| state.disconnected_before = state.connections);
    }

    /// Closes every connection, and closes new connections at once until [`FaultProxy::accept_again`].
    pub fn refuse_connections(&self) {
        self.state.send_modify(|state| {
            state.is_refusing = true;
            state.disconnected_before = state.connections;
        });
    }

    /// Ends [`FaultProxy::refuse_connections`].
    pub fn accept_again(&self) {
        self.state.send_modify(|state| state.is_refusing = false);
    }

    /// Forwards nothing on the present connections from now on, and leaves them open, like a firewall that has forgotten
    /// them. New connections are forwarded.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalled_before = state.connections);
    }

    /// Partitions the network between these client addresses and the upstreams: nothing is forwarded in either direction,
    /// and connections stay open. An empty list heals the partition.
    ///
    /// Bytes in transit arrive after that, as TCP would deliver them. A connection that was made during the partition gets
    /// no bytes, and is closed when the partition heals.
    pub fn partition_from(&self, clients: &[IpAddr]) {
        self.state.send_modify(|state| state.partitioned_from = clients.to_vec());
    }

    /// Sets what happens to bytes of this direction from now on.
    pub fn set_mode(&self, direction: Direction, mode: ProxyMode) {
        self.state.send_modify(|state| state.set_mode(direction, mode));
    }

    /// Delays bytes from server to client by this much from now on. The delay is latency, not throughput: bytes that
    /// arrive together are forwarded together.
    pub fn set_delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }
}
