//! A hop on the way between processes, which passes connections on, or breaks them as networks do.

mod carry;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To where the hop leads.
    There,
    /// To who has connected.
    Back,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// They come through.
    #[default]
    Pass,
    /// They wait, and so does the end of their connection.
    Hold,
    /// They are gone.
    Swallow,
}

/// Sees what comes by before it goes on.
type Tap = Arc<dyn Fn(&Hop, Way, &[u8]) + Send + Sync>;

/// An address before others: a proxy, a load balancer, a firewall. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Hop {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where connections go: any of these that takes them.
    targets: Vec<SocketAddr>,
    refusing: bool,
    /// Connections so far; each has its number.
    connections: usize,
    /// Those with lower numbers are cut.
    cut: usize,
    /// Those with lower numbers carry nothing any more.
    stalled: usize,
    /// Those that come from here carry nothing for now.
    divided_from: Vec<IpAddr>,
    there: Flow,
    back: Flow,
    /// How long what goes back takes.
    delay: Duration,
}

/// One of the connections.
#[derive(Debug, Clone, Copy)]
struct Connection {
    number: usize,
    from: IpAddr,
}

impl Hop {
    /// One that leads to any of these, on 127.0.0.1.
    pub async fn to(targets: Vec<SocketAddr>) -> Self {
        Self::tapped(targets, |_, _, _| {}).await
    }

    /// The same, where `tap` sees what comes by before it goes on.
    pub async fn tapped(targets: Vec<SocketAddr>, tap: impl Fn(&Self, Way, &[u8]) + Send + Sync + 'static) -> Self {
        Self::listen(([127, 0, 0, 1], 0).into(), targets, Arc::new(tap)).await
    }

    /// One that leads to any of these, at this address.
    pub(super) async fn at(address: SocketAddr, targets: Vec<SocketAddr>) -> Self {
        Self::listen(address, targets, Arc::new(|_, _, _| {})).await
    }

    async fn listen(address: SocketAddr, targets: Vec<SocketAddr>, tap: Tap) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let hop = Self { address, state: watch::Sender::new(State { targets, ..State::default() }) };
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

    /// Closes every connection and refuses new ones, until [`Hop::mend`].
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
    pub fn flow(&self, way: Way, flow: Flow) {
        self.state.send_modify(|state| match way {
            Way::There => state.there = flow,
            Way::Back => state.back = flow,
        });
    }

    /// From now on what goes back takes so long, and doesn't keep what comes after it waiting any longer.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }
}

impl State {
    /// What becomes of bytes on this connection.
    fn flow_of(&self, connection: Connection, way: Way) -> Flow {
        match way {
            _ if connection.number < self.stalled || self.is_divided_from(connection) => Flow::Hold,
            Way::There => self.there,
            Way::Back => self.back,
        }
    }

    fn is_divided_from(&self, connection: Connection) -> bool {
        self.divided_from.contains(&connection.from)
    }

    fn delay_of(&self, way: Way) -> Duration {
        if way == Way::Back { self.delay } else { Duration::ZERO }
    }
}
