//! What a proxy does with connections and bytes now.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

/// The direction of bytes through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a client to the upstream server.
    ToServer,
    /// From the upstream server to a client.
    ToClient,
}

/// What a proxy does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyMode {
    #[default]
    Pass,
    /// They wait until the mode changes. So does the end of their connection.
    Hold,
    /// They are dropped, while the connection stays open.
    Swallow,
}

/// Sees all bytes before they are forwarded, and may change the proxy's state.
pub(crate) type Tap = Arc<dyn Fn(&watch::Sender<ProxyState>, Direction, &[u8]) + Send + Sync>;

#[derive(Debug, Default)]
pub(crate) struct ProxyState {
    /// A new connection goes to any of these that accepts it.
    pub(crate) upstreams: Vec<SocketAddr>,
    /// New connections are closed at once.
    pub(crate) is_refusing: bool,
    /// How many connections there have been. They are numbered from 0.
    pub(crate) connections: usize,
    /// Connections with lower numbers are closed.
    pub(crate) disconnected_before: usize,
    /// Connections with lower numbers forward nothing any more.
    pub(crate) stalled_before: usize,
    /// Connections from these addresses forward nothing for now.
    pub(crate) partitioned_from: Vec<IpAddr>,
    pub(crate) to_server: ProxyMode,
    pub(crate) to_client: ProxyMode,
    /// Added to the way from server to client.
    pub(crate) delay: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ProxiedConnection {
    pub(crate) number: usize,
    pub(crate) client: IpAddr,
}

impl ProxyState {
    pub(crate) fn set_mode(&mut self, direction: Direction, mode: ProxyMode) {
        match direction {
            Direction::ToServer => self.to_server = mode,
            Direction::ToClient => self.to_client = mode,
        }
    }

    /// What happens to bytes of this connection.
    pub(crate) fn mode_of(&self, connection: ProxiedConnection, direction: Direction) -> ProxyMode {
        if connection.number < self.stalled_before || self.is_partitioned_from(connection) {
            return ProxyMode::Hold;
        }
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }

    pub(crate) fn is_partitioned_from(&self, connection: ProxiedConnection) -> bool {
        self.partitioned_from.contains(&connection.client)
    }

    pub(crate) fn delay_of(&self, direction: Direction) -> Duration {
        match direction {
            Direction::ToServer => Duration::ZERO,
            Direction::ToClient => self.delay,
        }
    }
}
