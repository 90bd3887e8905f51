//! Peers that mean no good, or no longer know what they want: they take connections, and give nothing back.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::drip::drip_on;

/// A peer that was cut off comes back so much later.
const BACK_AFTER: Duration = Duration::from_millis(200);
/// How much time a slow peer takes for a byte.
const A_BYTE: Duration = Duration::from_secs(1);
/// More than any time limit lets through.
const ENDLESS: [u8; 3600] = [b' '; 3600];
const HANDSHAKE: &[u8] = b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: scenecast.v1\r\nOrigin: https://www.example.com\r\n\r\n";
/// So many of them share an address.
const AT_AN_ADDRESS: u32 = 100;

/// How a peer wastes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Says nothing at all.
    Silent,
    /// Says a request's head byte by byte (slowloris).
    SlowHead,
    /// Says a request's body byte by byte.
    SlowBody,
    /// Becomes a WebSocket, and never says its first frame.
    NoFirstFrame,
}

impl Manner {
    const ALL: [Self; 4] = [Self::Silent, Self::SlowHead, Self::SlowBody, Self::NoFirstFrame];

    /// What it says at once, and what byte by byte.
    fn says(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Silent => (b"", b""),
            Self::SlowHead => (b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nX: ", &ENDLESS),
            Self::SlowBody => (b"POST /v1/scenes HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n", &ENDLESS),
            Self::NoFirstFrame => (HANDSHAKE, b""),
        }
    }
}

/// A crowd of them; gone when it is dropped.
#[derive(Debug)]
pub struct Hostile {
    _peers: JoinSet<()>,
}

impl Hostile {
    /// So many, spread over these addresses and over all manners, who come back whenever they are cut off.
    pub fn gather(targets: &[SocketAddr], peers: u32) -> Self {
        let mut at_work = JoinSet::new();
        for (nth, target) in (0..peers).zip(targets.iter().cycle()) {
            let turn = usize::try_from(nth).expect("at least 32 bits") / targets.len();
            at_work.spawn(pester(address(nth), *target, Manner::ALL[turn % Manner::ALL.len()]));
        }
        Self { _peers: at_work }
    }
}

/// Far from those that the drills' processes listen on, and no proxy that anybody trusts.
fn address(nth: u32) -> Ipv4Addr {
    let [_, _, high, low] = (nth / AT_AN_ADDRESS).to_be_bytes();
    Ipv4Addr::new(127, 254, high, low.max(1))
}

async fn pester(from: Ipv4Addr, target: SocketAddr, manner: Manner) {
    let (at_once, by_the_drop) = manner.says();
    loop {
        if let Ok(stream) = connect(from, target).await {
            drip_on(stream, at_once, by_the_drop, A_BYTE).await;
        }
        tokio::time::sleep(BACK_AFTER).await;
    }
}

async fn connect(from: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(target).await
}
