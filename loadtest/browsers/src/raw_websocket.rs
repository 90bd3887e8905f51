//! A WebSocket client that can break every rule of the protocol, which a library wouldn't allow.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// The bit in a frame's first byte that marks the last fragment.
pub const FIN: u8 = 0x80;
/// The opcode of every fragment except the first.
pub const CONTINUE: u8 = 0;
/// The opcode of a text.
pub const TEXT: u8 = 1;
/// The opcode of a binary message.
pub const BINARY: u8 = 2;
/// The opcode of a close.
pub const CLOSE: u8 = 8;
/// The opcode of a ping.
pub const PING: u8 = 9;
/// The opcode of a pong.
pub const PONG: u8 = 10;

/// The request by which a page opens a WebSocket at a gateway.
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

/// The header of a frame with this payload length, without the payload.
pub fn announced(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xff][..], &length.to_be_bytes(), &MASK].concat()
}

/// The frame by which a page resumes the scene with this key.
pub fn resume_of(key: &str) -> Vec<u8> {
    frame_of(FIN | TEXT, format!("{{\"resume\":{{\"key\":\"{key}\"}}}}").as_bytes())
}

/// A connection after the handshake.
#[derive(Debug)]
pub struct RawWebSocket(TcpStream);

impl RawWebSocket {
    /// Connects to a gateway's public address as a page.
    pub async fn connect(gateway: SocketAddr) -> io::Result<Self> {
        Self::handshake(TcpStream::connect(gateway).await?).await
    }

    /// Connects with a small receive buffer, so that the kernel keeps little of what isn't read.
    pub async fn connect_narrow(gateway: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Self::handshake(socket.connect(gateway).await?).await
    }

    async fn handshake(mut stream: TcpStream) -> io::Result<Self> {
        // Without Nagle's algorithm, what is sent in parts also arrives in parts.
        stream.set_nodelay(true)?;
        stream.write_all(HANDSHAKE.as_bytes()).await?;
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if head.starts_with(b"HTTP/1.1 101 ") { Ok(Self(stream)) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    }

    /// Sends any bytes. False if the gateway has closed the connection.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// The first byte and the payload of the next frame; `None` at the end.
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

    /// Reads until the gateway closes. Answers its close code, or `None` if the connection ends without one.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (first, payload) = self.frame().await?;
            if first == FIN | CLOSE {
                return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
        }
    }

    pub fn into_stream(self) -> TcpStream {
        self.0
    }
}
