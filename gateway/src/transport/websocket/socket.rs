//! One accepted WebSocket: it reads into a buffer that all sockets of a thread share, and writes as much as the
//! kernel takes at once.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    sync::LazyLock,
    task::{Context, Poll},
    time::Duration,
};

use scenecast_service::listener::Connection;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tungstenite::protocol::frame::{
    Frame, FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

use super::decoder::{Decoder, Incoming};
use crate::session::ServerMessage;

/// The bytes that may wait for a slow reader before its socket is closed. Its scene goes on, and its page may come
/// back.
const MAX_UNSENT_BYTES: usize = 64 * 1024;
/// How long the peer may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// It is sent so often that it isn't built each time.
static HEARTBEAT_FRAME: LazyLock<Vec<u8>> = LazyLock::new(|| text_frame(&ServerMessage::Heartbeat.to_json()));

thread_local! {
    static READ_BUFFER: RefCell<[u8; 8192]> = const { RefCell::new([0; 8192]) };
}

/// Why a socket can't be used any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("the connection is lost")]
    Lost(#[from] io::Error),
    #[error("the peer reads too slowly")]
    SlowReader,
}

/// A socket after its handshake.
pub(crate) struct WebSocket {
    connection: Connection,
    decoder: Decoder,
    unsent: Vec<u8>,
    /// Whether it has read since it last let other tasks run.
    has_read: bool,
}

impl WebSocket {
    /// `early` is what the client sent right after its handshake, without waiting for the answer.
    pub(crate) fn new(connection: Connection, early: &[u8]) -> (Self, Vec<Incoming>) {
        let mut decoder = Decoder::default();
        let incoming = decoder.feed(early);
        (Self { connection, decoder, unsent: Vec::new(), has_read: false }, incoming)
    }

    /// What arrives next. Meanwhile sends what waits to be sent. The future may be dropped without loss.
    pub(crate) async fn receive(&mut self) -> Result<Vec<Incoming>, SocketError> {
        loop {
            // One read, and then other tasks run: a peer that sends without end must not keep this thread from them.
            if std::mem::take(&mut self.has_read) {
                tokio::task::yield_now().await;
            }
            let stream = self.connection.stream();
            if self.unsent.is_empty() {
                poll_fn(|cx| stream.poll_read_ready(cx)).await?;
            } else {
                let ready = poll_fn(|cx| poll_ready(stream, cx)).await?;
                if ready.is_writable {
                    self.flush()?;
                }
                if !ready.is_readable {
                    continue;
                }
            }
            let incoming = READ_BUFFER.with_borrow_mut(|buffer| match self.connection.stream().try_read(buffer) {
                Ok(0) => Err(SocketError::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(length) => {
                    self.has_read = true;
                    Ok(self.decoder.feed(&buffer[..length]))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(vec![]),
                Err(error) => Err(SocketError::from(error)),
            })?;
            if !incoming.is_empty() {
                return Ok(incoming);
            }
        }
    }

    /// Sends a text, or as much of it as fits; [`WebSocket::receive`] sends the rest.
    pub(crate) fn send(&mut self, text: &str) -> Result<(), SocketError> {
        self.write(OpCode::Data(Data::Text), text.as_bytes())
    }

    /// Sends a heartbeat. A peer that has left something unread needs none.
    pub(crate) fn send_heartbeat(&mut self) -> Result<(), SocketError> {
        if !self.unsent.is_empty() {
            return Ok(());
        }
        match self.connection.stream().try_write(&HEARTBEAT_FRAME) {
            Ok(sent) => self.unsent.extend_from_slice(&HEARTBEAT_FRAME[sent..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(crate) fn ping(&mut self) -> Result<(), SocketError> {
        self.write(OpCode::Control(Control::Ping), &[])
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) -> Result<(), SocketError> {
        self.write(OpCode::Control(Control::Pong), payload)
    }

    /// Waits for the peer's close frame. Returns whether it came within this time.
    pub(crate) async fn is_closed_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.receive_close()).await.unwrap_or(false)
    }

    /// Returns whether the peer's close frame came, and not the end of the connection or a broken frame.
    async fn receive_close(&mut self) -> bool {
        loop {
            match self.receive().await.as_deref() {
                Ok([.., Incoming::Close]) => return true,
                Ok([.., Incoming::ProtocolError(_)]) | Err(_) => return false,
                Ok(_) => {}
            }
        }
    }

    /// Sends a close frame, and waits a little for that of the peer. Returns whether it came. Then the peer has
    /// received everything that was sent before.
    pub(crate) async fn close_and_wait(mut self, code: u16, reason: &str) -> bool {
        if self.write_close(code, reason).is_err() {
            return false;
        }
        let is_closed = self.is_closed_within(CLOSE_TIMEOUT).await;
        // The peer can't need it any more.
        let _ = self.connection.shutdown().await;
        is_closed
    }

    fn write_close(&mut self, code: u16, reason: &str) -> Result<(), SocketError> {
        let close = Frame::close(Some(tungstenite::protocol::CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        }));
        self.write(OpCode::Control(Control::Close), close.payload())
    }

    /// Sends a close frame, and waits a little for the peer to close the connection. Without the wait, the peer might
    /// see a reset instead of the reason.
    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        if self.write_close(code, reason).is_err() {
            return;
        }
        let finish = async {
            self.connection.write_all(&std::mem::take(&mut self.unsent)).await?;
            self.connection.shutdown().await?;
            loop {
                tokio::task::yield_now().await;
                self.connection.stream().readable().await?;
                let read = READ_BUFFER.with_borrow_mut(|buffer| self.connection.stream().try_read(buffer));
                match read {
                    Ok(0) => return Ok::<_, io::Error>(()),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
            }
        };
        // After the timeout the socket is dropped, whatever the peer did.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, finish).await;
    }

    fn write(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), SocketError> {
        let frame = frame(opcode, payload);
        if self.unsent.is_empty() {
            self.unsent = frame;
        } else {
            self.unsent.extend_from_slice(&frame);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), SocketError> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.connection.stream().try_write(&self.unsent[sent..]) {
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        // This gives the memory of the sent bytes back. Most sockets send next to nothing.
        self.unsent = self.unsent.split_off(sent);
        if self.unsent.len() > MAX_UNSENT_BYTES { Err(SocketError::SlowReader) } else { Ok(()) }
    }
}

/// What a socket is ready for.
struct SocketReady {
    is_readable: bool,
    is_writable: bool,
}

/// Whether the socket is ready for anything. The futures of `readable` and `ready` do the same, and take 100 bytes more of
/// each page's task.
fn poll_ready(stream: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<SocketReady>> {
    let readable = stream.poll_read_ready(cx)?;
    let writable = stream.poll_write_ready(cx)?;
    let ready = SocketReady { is_readable: readable.is_ready(), is_writable: writable.is_ready() };
    if ready.is_readable || ready.is_writable { Poll::Ready(Ok(ready)) } else { Poll::Pending }
}

/// The bytes of an unfragmented frame with this text.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    frame(OpCode::Data(Data::Text), text.as_bytes())
}

/// The bytes of an unfragmented frame.
fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    FrameHeader { opcode, ..FrameHeader::default() }
        .format(payload.len() as u64, &mut frame)
        .expect("a Vec takes every byte");
    frame.extend_from_slice(payload);
    frame
}
