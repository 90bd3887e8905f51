//! A page of a peer: a WebSocket that is subscribed.

use std::{io, net::SocketAddr, time::Duration};

use scenecast_browsers::raw_websocket::{FIN, PONG, TEXT, frame_of};
use scenecast_scene::SceneId;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use super::protocol::{PeerFrame, PeerProtocol};
use crate::targets::{
    Heard, PageError, Seat, TargetPage, connect,
    ours::{
        frames::{Decoded, ServerFrame, decode},
        page_frame::broken,
        read_buffer::{consume, read_more},
    },
};

/// How long a page may take to be subscribed.
const OPENS_WITHIN: Duration = Duration::from_secs(10);
/// A longer head isn't one of a WebSocket.
const MAX_HEAD: usize = 8 * 1024;

/// A page that is subscribed to its scene's channel.
pub struct PeerPage {
    stream: TcpStream,
    received: Vec<u8>,
    protocol: &'static dyn PeerProtocol,
    /// Whether it stays after its message.
    stays: bool,
}

impl PeerPage {
    /// Connects and subscribes. Returns when the server has said so, where it does.
    pub(super) async fn open(
        protocol: &'static dyn PeerProtocol,
        server: SocketAddr,
        seat: Seat,
        stays: bool,
    ) -> Result<Self, PageError> {
        let open = Self::open_in_any_time(protocol, server, seat, stays);
        timeout(OPENS_WITHIN, open).await.unwrap_or_else(|_| Err(PageError::Connection("timeout".to_owned())))
    }

    async fn open_in_any_time(
        protocol: &'static dyn PeerProtocol,
        server: SocketAddr,
        seat: Seat,
        stays: bool,
    ) -> Result<Self, PageError> {
        let scene = seat.scene();
        let stream = connect(server, seat.source).await.map_err(broken)?;
        let mut page = Self { stream, received: Vec::new(), protocol, stays };
        page.shake_hands(server, scene).await?;
        if let Some(greeting) = protocol.greeting(scene) {
            page.stream.write_all(&frame_of(FIN | TEXT, greeting.as_bytes())).await.map_err(broken)?;
            page.until_subscribed().await?;
        }
        Ok(page)
    }

    async fn shake_hands(&mut self, server: SocketAddr, scene: SceneId) -> Result<(), PageError> {
        let path = self.protocol.path(scene);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nOrigin: http://{server}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if self.received.len() > MAX_HEAD {
                return Err(PageError::Protocol("a head without an end".to_owned()));
            }
            if !read_more(&self.stream, &mut self.received).await.map_err(broken)? {
                return Err(PageError::Connection("closed".to_owned()));
            }
        };
        match self.received.strip_prefix(b"HTTP/1.1 ").and_then(<[u8]>::first_chunk::<3>) {
            Some(b"101") => {}
            Some(status) => return Err(PageError::Refused(format!("status {}", String::from_utf8_lossy(status)))),
            None => return Err(PageError::Protocol("no HTTP".to_owned())),
        }
        consume(&mut self.received, end);
        Ok(())
    }

    async fn until_subscribed(&mut self) -> Result<(), PageError> {
        loop {
            match self.next().await.map_err(broken)? {
                PeerFrame::Subscribed => return Ok(()),
                PeerFrame::Refused(code) => return Err(PageError::Refused(code)),
                PeerFrame::Message | PeerFrame::Ping(_) | PeerFrame::Other => {}
            }
        }
    }

    /// What comes next. Answers pings itself. The future may be dropped without loss.
    async fn next(&mut self) -> io::Result<PeerFrame> {
        loop {
            let (frame, length) = match decode(&self.received) {
                Decoded::Frame(ServerFrame::Text(text), length) => {
                    (self.protocol.read(std::str::from_utf8(text).map_err(io::Error::other)?), length)
                }
                Decoded::Frame(ServerFrame::Ping(payload), length) => {
                    self.answer(FIN | PONG, payload)?;
                    (PeerFrame::Other, length)
                }
                Decoded::Frame(ServerFrame::Pong, length) => (PeerFrame::Other, length),
                Decoded::Frame(ServerFrame::Close(..), _) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Decoded::Invalid => return Err(io::ErrorKind::InvalidData.into()),
                Decoded::Incomplete => {
                    if !read_more(&self.stream, &mut self.received).await? {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    continue;
                }
            };
            consume(&mut self.received, length);
            match frame {
                PeerFrame::Ping(answer) => self.answer(FIN | TEXT, answer.as_bytes())?,
                PeerFrame::Other => {}
                frame => return Ok(frame),
            }
        }
    }

    /// Answers at once or not at all: where nothing can be sent, the server will ask again.
    fn answer(&self, first: u8, payload: &[u8]) -> io::Result<()> {
        match self.stream.try_write(&frame_of(first, payload)) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

impl TargetPage for PeerPage {
    async fn hear(&mut self) -> Heard {
        loop {
            match self.next().await {
                Ok(PeerFrame::Message) => return Heard::Login { grant: None },
                Ok(PeerFrame::Refused(code)) => return Heard::Over { code },
                Ok(_) => {}
                Err(_) => return Heard::Disconnected,
            }
        }
    }

    /// A page that stays waits for the end of its connection.
    async fn close(mut self) {
        while self.stays && !matches!(self.hear().await, Heard::Disconnected) {}
    }
}
