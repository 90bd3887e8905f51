//! Peers that mean no good, or no longer know what they want: they take connections, and give nothing back.
//!
//! | module | what it is for |
//! |---|---|
//! | `drip` | one that says next to nothing |
//! | [`websocket`] | one that keeps to no rule |

mod drip;
pub mod websocket;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::TcpSocket, task::JoinSet};

pub use drip::drip;

/// Within what time a peer comes, and comes again after it was cut off. All at one moment, or each at once, would be
/// another attack, a flood of connects.
const COME_WITHIN: Duration = Duration::from_secs(5);
/// How much time a slow peer takes for a byte.
const A_BYTE: Duration = Duration::from_secs(1);
/// So many of them share an address.
const AT_AN_ADDRESS: u32 = 100;

/// How a peer wastes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
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

    /// What it says at once, and what byte by byte: for longer than anybody should listen.
    fn says(self) -> (&'static str, &'static str) {
        match self {
            Self::Silent => ("", ""),
            Self::SlowHead => ("", "GET /v1/ws HTTP/1.1\r\nHost: www.example.com\r\nX: "),
            Self::SlowBody => (
                "POST /v1/scenes HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n",
                "{\"account\":\"demo\",\"state\":\"",
            ),
            Self::NoFirstFrame => (websocket::HANDSHAKE, ""),
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
    loop {
        tokio::time::sleep(COME_WITHIN.mul_f64(rand::random())).await;
        // However it ends.
        let _ = waste(from, target, manner).await;
    }
}

async fn waste(from: Ipv4Addr, target: SocketAddr, manner: Manner) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(target).await?;
    let (at_once, by_the_drop) = manner.says();
    drip::drip_into(&mut stream, at_once.as_bytes(), by_the_drop.as_bytes(), A_BYTE).await;
    Ok(())
}
