//! A proxy that sends reads to a replica, as some managed Redis and proxies for Redis do to spread the load.

use std::net::SocketAddr;

use redis_protocol::resp3::{
    decode::complete::decode,
    types::{OwnedFrame, Resp3Frame},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::redis::{server::RedisServer, users::ADMIN};

/// What goes to the replica.
const READS: [&str; 6] = ["GET", "HMGET", "HGETALL", "PTTL", "EXISTS", "EVALSHA_RO"];

/// Runs as long as its tokio runtime.
#[derive(Debug)]
pub struct SplittingProxy(SocketAddr);

impl SplittingProxy {
    /// Starts a proxy in front of both.
    pub async fn start(primary: &RedisServer, replica: &RedisServer) -> Self {
        let (primary, replica) = (primary.address(), replica.address());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // It ends with an error when one of its connections does.
                tokio::spawn(async move { split(client, primary, replica).await.ok() });
            }
        });
        Self(address)
    }

    pub fn address(&self) -> SocketAddr {
        self.0
    }

    /// The URL of Redis through this proxy, as a user who may do everything.
    pub fn url(&self) -> String {
        self.url_for(ADMIN, ADMIN)
    }

    /// The URL of Redis through this proxy, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.0)
    }
}

/// A connection, and what was read from it and isn't used yet.
struct Frames {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Frames {
    fn over(stream: TcpStream) -> Self {
        Self { stream, read: vec![] }
    }

    /// The next frame, and its bytes.
    async fn next(&mut self) -> std::io::Result<(OwnedFrame, Vec<u8>)> {
        loop {
            if let Ok(Some((frame, length))) = decode(&self.read) {
                return Ok((frame, self.read.drain(..length).collect()));
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Sends each command of this client to one of both, until it subscribes.
async fn split(client: TcpStream, primary: SocketAddr, replica: SocketAddr) -> std::io::Result<()> {
    let mut client = Frames::over(client);
    let mut primary = Frames::over(TcpStream::connect(primary).await?);
    let mut replica = Frames::over(TcpStream::connect(replica).await?);
    loop {
        let (command, bytes) = client.next().await?;
        let name = name_of(&command);
        if name == "HELLO" {
            replica.stream.write_all(&bytes).await?;
            replica.next().await?;
        }
        let server = if READS.contains(&&*name) { &mut replica } else { &mut primary };
        server.stream.write_all(&bytes).await?;
        if name == "SSUBSCRIBE" {
            server.stream.write_all(&client.read).await?;
            return copy_bidirectional(&mut client.stream, &mut server.stream).await.map(drop);
        }
        let (_, answer) = server.next().await?;
        client.stream.write_all(&answer).await?;
    }
}

/// The name of a command, in capitals; empty if it is none.
fn name_of(command: &OwnedFrame) -> String {
    let name = match command {
        OwnedFrame::Hello { .. } => Some("HELLO"),
        OwnedFrame::Array { data, .. } => data.first().and_then(Resp3Frame::as_str),
        _ => None,
    };
    name.unwrap_or_default().to_ascii_uppercase()
}
