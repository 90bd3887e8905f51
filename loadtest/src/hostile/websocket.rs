//! A WebSocket peer that keeps to no rule. A library would have it keep them.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// The bit of a frame's first byte that says that no fragment follows.
pub const FIN: u8 = 0x80;
/// The opcode of a fragment that isn't the first.
pub const CONTINUE: u8 = 0;
/// The opcode of a text.
pub const TEXT: u8 = 1;
/// The opcode of a binary message.
pub const BINARY: u8 = 2;
/// The opcode of a close.
pub const CLOSE: u8 = 8;
/// The opcode of a ping.
pub const PING: u8 = 9;

/// A page's handshake at a gateway.
pub const HANDSHAKE: &str = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: scenecast.v1\r\n\r\n";

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame with this first byte (the final bit, the reserved bits and the opcode) and at most 65,535 bytes.
pub fn frame_of(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![0x80 | u8::try_from(short).expect("less than 126")],
        long => [&[0xfe][..], &u16::try_from(long).expect("at most 65,535 bytes").to_be_bytes()].concat(),
    };
    let masked: Vec<u8> = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    [&[first][..], &length, &MASK, &masked].concat()
}

/// A frame's head that announces so many bytes, and none of them.
pub fn announced(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xff][..], &length.to_be_bytes(), &MASK].concat()
}

/// The frame of a page that goes on with the scene of this key.
pub fn resume_of(key: &str) -> Vec<u8> {
    frame_of(FIN | TEXT, format!("{{\"resume\":{{\"key\":\"{key}\"}}}}").as_bytes())
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Raw(TcpStream);

impl Raw {
    /// Connects to a gateway's public address as a page.
    pub async fn connect(gateway: SocketAddr) -> io::Result<Self> {
        Self::shake_hands(TcpStream::connect(gateway).await?).await
    }

    /// The same, with little room at this end for what isn't read.
    pub async fn connect_narrow(gateway: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Self::shake_hands(socket.connect(gateway).await?).await
    }

    async fn shake_hands(mut stream: TcpStream) -> io::Result<Self> {
        // What is sent in parts arrives in parts.
        stream.set_nodelay(true)?;
        stream.write_all(HANDSHAKE.as_bytes()).await?;
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if head.starts_with(b"HTTP/1.1 101 ") { Ok(Self(stream)) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    }

    /// Sends any bytes; whether they were taken, which they aren't once the gateway has closed.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// The next frame's first byte and payload; `None` at the end.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, length] = [self.0.read_u8().await.ok()?, self.0.read_u8().await.ok()?];
        let length = match length {
            126 => self.0.read_u16().await.ok()?,
            short => short.into(),
        };
        let mut payload = vec![0; length.into()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    /// The code by which the gateway closes, whatever it says before; `None` if it just ends.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (first, payload) = self.frame().await?;
            if first == FIN | CLOSE {
                return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
        }
    }

    /// The socket itself.
    pub fn into_stream(self) -> TcpStream {
        self.0
    }
}
