//! One accepted WebSocket: reads into a buffer that its thread shares, writes what fits at once.

use std::{cell::RefCell, io, time::Duration};

use scenecast_shared::serve::Connection;
use tokio::io::AsyncWriteExt;
use tungstenite::protocol::frame::{
    Frame, FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

use super::decoder::{Decoder, Incoming};

/// Bytes that may wait for a slow reader before it is cut. Its scene goes on and can be resumed.
const UNSENT_AT_MOST: usize = 64 * 1024;
/// How long the peer may take to answer a close.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static SHARED: RefCell<[u8; 8192]> = const { RefCell::new([0; 8192]) };
}

/// Why a socket is of no more use.
#[derive(Debug)]
pub(crate) enum Broken {
    /// It is closed, by either side or by what is between them.
    Gone,
    /// Its reader is too slow for what is sent.
    TooSlow,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// A socket after its handshake.
pub(crate) struct Socket {
    connection: Connection,
    decoder: Decoder,
    unsent: Vec<u8>,
    /// Since it last gave way.
    has_read: bool,
}

impl Socket {
    /// `early` is what the client sent behind its handshake, without waiting for the answer.
    pub(crate) fn new(connection: Connection, early: &[u8]) -> (Self, Vec<Incoming>) {
        let mut decoder = Decoder::default();
        let incoming = decoder.feed(early);
        (Self { connection, decoder, unsent: Vec::new(), has_read: false }, incoming)
    }

    /// What arrives next; sends what waits to be sent meanwhile. May be dropped half-way without loss.
    pub(crate) async fn receive(&mut self) -> Result<Vec<Incoming>, Broken> {
        loop {
            // One read a turn: a peer that sends without end must not keep this thread from the others.
            if std::mem::take(&mut self.has_read) {
                tokio::task::yield_now().await;
            }
            let stream = self.connection.stream();
            if self.unsent.is_empty() {
                stream.readable().await?;
            } else {
                let ready = stream.ready(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE).await?;
                if ready.is_writable() {
                    self.flush()?;
                }
                if !ready.is_readable() {
                    continue;
                }
            }
            let incoming = SHARED.with_borrow_mut(|buffer| match self.connection.stream().try_read(buffer) {
                Ok(0) => Err(Broken::Gone),
                Ok(length) => {
                    self.has_read = true;
                    Ok(self.decoder.feed(&buffer[..length]))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(vec![]),
                Err(error) => Err(Broken::from(error)),
            })?;
            if !incoming.is_empty() {
                return Ok(incoming);
            }
        }
    }

    /// Sends a text, or as much of it as fits; [`Socket::receive`] sends the rest.
    pub(crate) fn send(&mut self, text: &str) -> Result<(), Broken> {
        self.write(OpCode::Data(Data::Text), text.as_bytes())
    }

    pub(crate) fn ping(&mut self) -> Result<(), Broken> {
        self.write(OpCode::Control(Control::Ping), &[])
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) -> Result<(), Broken> {
        self.write(OpCode::Control(Control::Pong), payload)
    }

    /// Closes, and waits a little for the peer to do so too, so that it reads the reason rather
    /// than a reset.
    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        let close = Frame::close(Some(tungstenite::protocol::CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        }));
        if self.write(OpCode::Control(Control::Close), close.payload()).is_err() {
            return;
        }
        let farewell = async {
            self.connection.write_all(&std::mem::take(&mut self.unsent)).await?;
            self.connection.shutdown().await?;
            loop {
                tokio::task::yield_now().await;
                self.connection.stream().readable().await?;
                let read = SHARED.with_borrow_mut(|buffer| self.connection.stream().try_read(buffer));
                match read {
                    Ok(0) => return Ok::<_, io::Error>(()),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
            }
        };
        // Either way it is over.
        let _ = tokio::time::timeout(LINGER, farewell).await;
    }

    fn write(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), Broken> {
        let mut frame = Vec::with_capacity(payload.len() + 10);
        FrameHeader { opcode, ..FrameHeader::default() }
            .format(payload.len() as u64, &mut frame)
            .expect("a Vec takes every byte");
        frame.extend_from_slice(payload);
        if self.unsent.is_empty() {
            self.unsent = frame;
        } else {
            self.unsent.extend_from_slice(&frame);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Broken> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.connection.stream().try_write(&self.unsent[sent..]) {
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        // What was sent gives its memory back: most sockets send next to nothing.
        self.unsent = self.unsent.split_off(sent);
        if self.unsent.len() > UNSENT_AT_MOST { Err(Broken::TooSlow) } else { Ok(()) }
    }
}
