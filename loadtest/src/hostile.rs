//! Hostile clients: they take connections and give nothing back.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use scenecast_browsers::{raw_websocket, slow_sender};
use tokio::{net::TcpSocket, task::JoinSet};

/// A client connects within this time, and reconnects within this time after it was cut off. Without the spread the
/// clients would be a flood of connects, which is another attack.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The time that a slow client takes for a byte.
const BYTE_INTERVAL: Duration = Duration::from_secs(1);
/// How many clients share an address.
const CLIENTS_PER_ADDRESS: u32 = 100;

/// How a hostile client wastes its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum HostileBehaviour {
    /// Sends nothing at all.
    Silent,
    /// Sends the head of a request byte by byte (slowloris).
    SlowHead,
    /// Sends the body of a request byte by byte.
    SlowBody,
    /// Opens a WebSocket, and never sends its first frame.
    NoFirstFrame,
}

impl HostileBehaviour {
    /// What the client sends at once, and what it then sends byte by byte. The second part lasts longer than a server
    /// should wait.
    fn bytes(self) -> (&'static str, &'static str) {
        match self {
            Self::Silent => ("", ""),
            Self::SlowHead => ("", "GET /v1/ws HTTP/1.1\r\nHost: www.example.com\r\nX: "),
            Self::SlowBody => (
                "POST /v1/scenes HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n",
                "{\"account\":\"demo\",\"state\":\"",
            ),
            Self::NoFirstFrame => (raw_websocket::HANDSHAKE, ""),
        }
    }
}

/// Many hostile clients. Dropping this ends them.
#[derive(Debug)]
pub struct HostileClients {
    _clients: JoinSet<()>,
}

impl HostileClients {
    /// Starts this many clients, spread over these addresses and over all behaviours. They reconnect when they are cut
    /// off.
    pub fn start(targets: &[SocketAddr], count: u32) -> Self {
        let behaviours = <HostileBehaviour as strum::VariantArray>::VARIANTS;
        let mut clients = JoinSet::new();
        for (nth, target) in (0..count).zip(targets.iter().cycle()) {
            let round = usize::try_from(nth).expect("at least 32 bits") / targets.len();
            clients.spawn(attack(address(nth), *target, behaviours[round % behaviours.len()]));
        }
        Self { _clients: clients }
    }
}

/// An address that no process of a drill listens on, and that is not a trusted proxy.
fn address(nth: u32) -> Ipv4Addr {
    let [_, _, high, low] = (nth / CLIENTS_PER_ADDRESS).to_be_bytes();
    Ipv4Addr::new(127, 254, high, low.max(1))
}

async fn attack(from: Ipv4Addr, target: SocketAddr, behaviour: HostileBehaviour) {
    loop {
        tokio::time::sleep(CONNECT_WITHIN.mul_f64(rand::random())).await;
        // An error ends the connection like anything else.
        let _ = waste_connection(from, target, behaviour).await;
    }
}

async fn waste_connection(from: Ipv4Addr, target: SocketAddr, behaviour: HostileBehaviour) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(target).await?;
    let (at_once, slowly) = behaviour.bytes();
    slow_sender::send_slowly_over(&mut stream, at_once.as_bytes(), slowly.as_bytes(), BYTE_INTERVAL).await;
    Ok(())
}
