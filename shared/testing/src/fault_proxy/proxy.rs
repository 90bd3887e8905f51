//! A hop on the way between processes, which passes connections on, or breaks them as networks do.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To where the hop leads.
    ToServer,
    /// To who has connected.
    ToClient,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyMode {
    /// They come through.
    #[default]
    Pass,
    /// They wait, and so does the end of their connection.
    Hold,
    /// They are gone.
    Swallow,
}

/// Sees what comes by before it goes on.
pub(crate) type Tap = Arc<dyn Fn(&FaultProxy, Direction, &[u8]) + Send + Sync>;

/// An address before others: a proxy, a load balancer, a firewall. Clones are the same one.
#[derive(Debug, Clone)]
pub struct FaultProxy {
    address: SocketAddr,
    pub(crate) state: watch::Sender<ProxyState>,
}

#[derive(Debug, Default)]
pub(crate) struct ProxyState {
    /// Where connections go: any of these that takes them.
    pub(crate) targets: Vec<SocketAddr>,
    pub(crate) refusing: bool,
    /// Connections so far; each has its number.
    pub(crate) connections: usize,
    /// Those with lower numbers are cut.
    pub(crate) cut: usize,
    /// Those with lower numbers carry nothing any more.
    pub(crate) stalled: usize,
    /// Those that come from here carry nothing for now.
    pub(crate) divided_from: Vec<IpAddr>,
    pub(crate) there: ProxyMode,
    pub(crate) back: ProxyMode,
    /// How long what goes back takes.
    pub(crate) delay: Duration,
}

/// One of the connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProxiedConnection {
    pub(crate) number: usize,
    pub(crate) from: IpAddr,
}

impl FaultProxy {
    /// One that leads to any of these, on 127.0.0.1.
    pub async fn to(targets: Vec<SocketAddr>) -> Self {
        Self::tapped(targets, |_, _, _| {}).await
    }

    /// The same, where `tap` sees what comes by before it goes on.
    pub async fn tapped(
        targets: Vec<SocketAddr>,
        tap: impl Fn(&Self, Direction, &[u8]) + Send + Sync + 'static,
    ) -> Self {
        Self::listen(([127, 0, 0, 1], 0).into(), targets, Arc::new(tap)).await
    }

    /// One that leads to any of these, at this address.
    pub(crate) async fn at(address: SocketAddr, targets: Vec<SocketAddr>) -> Self {
        Self::listen(address, targets, Arc::new(|_, _, _| {})).await
    }

    async fn listen(address: SocketAddr, targets: Vec<SocketAddr>, tap: Tap) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let hop = Self { address, state: watch::Sender::new(ProxyState { targets, ..ProxyState::default() }) };
        tokio::spawn(hop.clone().accept(listener, tap));
        hop
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.state.borrow().connections
    }

    /// Leads new connections there from now on.
    pub fn lead_to(&self, targets: Vec<SocketAddr>) {
        self.state.send_modify(|state| state.targets = targets);
    }

    /// Closes every connection; new ones pass.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut = state.connections);
    }

    /// Closes every connection and refuses new ones, until [`FaultProxy::mend`].
    pub fn close(&self) {
        self.state.send_modify(|state| (state.refusing, state.cut) = (true, state.connections));
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.refusing = false);
    }

    /// From now on nothing comes through the connections that there are, and nothing tells so: a firewall
    /// has forgotten them. New ones pass.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalled = state.connections);
    }

    /// From now on nothing comes through between these addresses and where this leads, neither way, and nothing
    /// tells so: the network has come apart. It is whole again where there are none. What is under way arrives
    /// then, as TCP has it; new connections get no answer at all until then, and are closed.
    pub fn divide_from(&self, addresses: &[IpAddr]) {
        self.state.send_modify(|state| state.divided_from = addresses.to_vec());
    }

    /// What becomes of bytes that go this way, from now on.
    pub fn flow(&self, way: Direction, flow: ProxyMode) {
        self.state.send_modify(|state| match way {
            Direction::ToServer => state.there = flow,
            Direction::ToClient => state.back = flow,
        });
    }

    /// From now on what goes back takes so long, and doesn't keep what comes after it waiting any longer.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }
}

impl ProxyState {
    /// What becomes of bytes on this connection.
    pub(crate) fn flow_of(&self, connection: ProxiedConnection, way: Direction) -> ProxyMode {
        match way {
            _ if connection.number < self.stalled || self.is_divided_from(connection) => ProxyMode::Hold,
            Direction::ToServer => self.there,
            Direction::ToClient => self.back,
        }
    }

    pub(crate) fn is_divided_from(&self, connection: ProxiedConnection) -> bool {
        self.divided_from.contains(&connection.from)
    }

    pub(crate) fn delay_of(&self, way: Direction) -> Duration {
        if way == Direction::ToClient { self.delay } else { Duration::ZERO }
    }
}
