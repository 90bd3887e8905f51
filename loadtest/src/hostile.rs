//! Peers that mean no good, or no longer know what they want: they take connections, and give nothing back.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

/// A peer that was cut off comes back so much later.
const BACK_AFTER: Duration = Duration::from_millis(200);
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
        // However it ends.
        let _ = waste(from, target, manner).await;
        tokio::time::sleep(BACK_AFTER).await;
    }
}

async fn waste(from: Ipv4Addr, target: SocketAddr, manner: Manner) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(target).await?;
    match manner {
        Manner::Silent => until_closed(&mut stream).await,
        Manner::SlowHead => drip(&mut stream, b"GET /v1/ws HTTP/1.1\r\nHost: www.example.com\r\nX: ").await,
        Manner::SlowBody => {
            stream.write_all(b"POST /v1/scenes HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n").await?;
            drip(&mut stream, b"{").await
        }
        Manner::NoFirstFrame => {
            let handshake = b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                Sec-WebSocket-Protocol: scenecast.v1\r\nOrigin: https://www.example.com\r\n\r\n";
            stream.write_all(handshake).await?;
            until_closed(&mut stream).await
        }
    }
}

/// Says this, and then more of nothing, until it is cut off.
async fn drip(stream: &mut TcpStream, first: &[u8]) -> std::io::Result<()> {
    for byte in first.iter().chain(std::iter::repeat(&b' ')) {
        tokio::select! {
            ended = until_closed(stream) => return ended,
            () = tokio::time::sleep(A_BYTE) => {}
        }
        stream.write_all(&[*byte]).await?;
    }
    Ok(())
}

async fn until_closed(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut said = [0; 1024];
    while stream.read(&mut said).await? > 0 {}
    Ok(())
}
