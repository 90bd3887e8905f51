//! Connections from many source addresses. One source address has some 28,000 ports to one address of a server, and
//! 127.0.0.0/8 has millions of source addresses.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use tokio::net::{TcpSocket, TcpStream};

/// The source addresses of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceAddresses {
    /// The first one; `None` leaves the choice to the system.
    first: Option<Ipv4Addr>,
    count: u32,
}

impl SourceAddresses {
    /// How many workers of one machine have addresses of their own.
    pub const WORKERS: u32 = 50 << 8;
    /// What the system chooses: one address.
    pub const ANY: Self = Self { first: None, count: 1 };

    /// This many addresses of 127.0.0.0/8, for servers on this machine. Workers whose numbers differ by less than
    /// [`Self::WORKERS`] share none.
    pub fn loopback(worker: u32, count: u32) -> Self {
        let count = count.clamp(1, 250);
        let [.., high, low] = (worker % Self::WORKERS).to_be_bytes();
        Self { first: Some(Ipv4Addr::new(127, 200 + high, low, 1)), count }
    }

    /// The source address of the page with this number.
    pub fn of(self, number: u64) -> Option<Ipv4Addr> {
        let place = u32::try_from(number % u64::from(self.count)).expect("less than the count");
        self.first.map(|first| Ipv4Addr::from_bits(first.to_bits() + place))
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.count
    }
}

/// Connects from this source address. The system chooses the port only when it connects, so that a port may be used
/// again to another server.
pub async fn connect(to: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let (Some(source), true) = (source, to.is_ipv4()) {
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        socket.bind((source, 0).into())?;
    }
    let stream = socket.connect(to).await?;
    // A page's frames are small, and each one is meant to leave at once.
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn pages_come_from_different_addresses() {
        let sources = SourceAddresses::loopback(3, 4);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut seen = BTreeSet::new();
        for number in 0..8 {
            let page = connect(listener.local_addr().unwrap(), sources.of(number)).await.unwrap();
            let (_, from) = listener.accept().await.unwrap();
            assert_eq!(from, page.local_addr().unwrap());
            seen.insert(from.ip());
        }
        assert_eq!(seen.len(), 4);
        assert!(seen.contains(&"127.200.3.1".parse().unwrap()), "{seen:?}");
    }

    #[test]
    fn workers_share_no_address_and_the_system_may_choose() {
        // Process ids are such numbers, too.
        for (one, other) in [(0, 1), (64_000, 65_536), (64_000, 64_000 + SourceAddresses::WORKERS - 1)] {
            let [one, other] = [one, other].map(|worker| SourceAddresses::loopback(worker, 1000));
            let all: BTreeSet<_> = (0..250).flat_map(|number| [one.of(number), other.of(number)]).collect();
            assert_eq!((all.len(), one.count()), (500, 250));
        }
        assert_eq!(SourceAddresses::ANY.of(7), None);
    }
}
