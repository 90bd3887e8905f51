//! Peers that break the rules on purpose: what they are told, and that nobody else notices.

mod floods;
mod frames;
mod requests;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CONTINUE: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame with this first byte: its final bit, its reserved bits and its opcode.
fn frame_of(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![0x80 | u8::try_from(short).unwrap()],
        long => [&[0xfe][..], &u16::try_from(long).unwrap().to_be_bytes()].concat(),
    };
    let masked: Vec<u8> = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    [&[first][..], &length, &MASK, &masked].concat()
}

/// A frame's head that announces this much, and no payload.
fn announced(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xff][..], &length.to_be_bytes(), &MASK].concat()
}

/// The end of a text frame that resumes this scene.
fn resume(scene: &Scene) -> Vec<u8> {
    frame_of(FIN | TEXT, format!("{{\"resume\":{{\"key\":\"{}\"}}}}", scene.key).as_bytes())
}

/// A WebSocket without a library that would keep it from breaking the rules.
struct Raw(TcpStream);

impl Raw {
    async fn page(world: &World) -> Self {
        Self::over(TcpStream::connect(world.address).await.unwrap(), "/v1/ws").await
    }

    async fn over(mut stream: TcpStream, path: &str) -> Self {
        let handshake = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: scenecast.v1\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self(stream)
    }

    /// Sends it, unless the gateway has closed before.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame's first byte and payload; `None` at the end.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let reading = async {
            let [first, length] = [self.0.read_u8().await.ok()?, self.0.read_u8().await.ok()?];
            let length = match length {
                126 => self.0.read_u16().await.ok()?,
                short => short.into(),
            };
            let mut payload = vec![0; length.into()];
            self.0.read_exact(&mut payload).await.ok()?;
            Some((first, payload))
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("a frame or the end within 10 s")
    }

    /// The code by which the gateway closes, whatever it says before; `None` if it just ends.
    async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.frame().await? {
                (first, payload) if first == FIN | CLOSE => return Some(u16::from_be_bytes([payload[0], payload[1]])),
                _ => {}
            }
        }
    }
}

/// A page that behaves, and waits for its login.
struct Bystander {
    page: Page,
    scene: Scene,
}

impl Bystander {
    async fn watching(world: &World) -> Self {
        let (mut page, scene) = (world.page().await, world.scene().await);
        page.resume(&scene.key, 0).await.unwrap();
        assert_eq!(frame(&mut page).await.kind, "resumed");
        Self { page, scene }
    }

    /// Its login arrives.
    async fn logs_in(mut self, world: &World) {
        world.settle(&self.scene, log_in(&self.scene)).await;
        assert_eq!(frame(&mut self.page).await.kind, "confirmed");
    }
}
