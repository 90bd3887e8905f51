//! The socket of an accepted connection, as hyper and upgrade handlers use it.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{
    admission::{admit::Admitted, connection_slots::ConnectionSlot},
    listener::head_timer::HeadTimer,
};

/// The most bytes that hyper gets at a time: one less than it has room for at first. It doubles its buffer after a read
/// that fills it, and an idle connection would hold the large buffer.
const READ_AT_ONCE: usize = 8 * 1024 - 1;

/// The most bytes that are kept of what a peer sends while its response is under way: what hyper takes at once.
const MAX_UNREAD: usize = READ_AT_ONCE;

/// What the connection and those who serve its requests share.
#[derive(Debug)]
pub(super) struct HttpSide {
    pub(super) head_timer: HeadTimer,
    /// Whether something has yet to be sent, since the peer doesn't read.
    has_unsent: AtomicBool,
}

impl HttpSide {
    pub(super) fn new(head_timer: HeadTimer) -> Arc<Self> {
        Arc::new(Self { head_timer, has_unsent: AtomicBool::new(false) })
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.has_unsent.load(Ordering::Relaxed)
    }
}

/// An accepted socket, before and after an upgrade. Dropping it frees its share of the admission limits.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    admitted: Admitted,
    /// What the peer has sent already of its next request.
    unread: Vec<u8>,
    /// `None` after an upgrade: no more requests come.
    http: Option<Arc<HttpSide>>,
}

impl Connection {
    /// `unread` is how long the peer may leave unread what was sent to it; 0 leaves it to the operating system.
    pub(super) fn new(stream: TcpStream, admitted: Admitted, http: Arc<HttpSide>, unread: Duration) -> Self {
        let unread_ms = u32::try_from(unread.as_millis()).unwrap_or(u32::MAX);
        // These two calls fail only if the connection is gone, and then the next read fails, too.
        // A login is a single small frame: to wait for more data, as TCP does by default, would only delay it.
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, unread_ms);
        Self { stream, admitted, unread: vec![], http: Some(http) }
    }

    /// The socket itself. A caller can wait until it is readable, and needs no read buffer until then.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Call this after an upgrade: it stops the timer for request headers. The connection holds the client's slot until
    /// it is dropped.
    #[must_use]
    pub fn upgraded(mut self, slot: Option<ConnectionSlot>) -> Self {
        self.http = None;
        if let Some(slot) = slot {
            self.admitted.hold_slot(slot);
        }
        self
    }

    /// The same connection, of whose next request these bytes have been read already.
    pub(super) fn with_unread(mut self, bytes: &[u8]) -> Self {
        self.unread.splice(..0, bytes.iter().copied());
        self
    }

    /// Returns when the peer has closed the connection, or it is lost. What the peer sends meanwhile is kept for its next
    /// request. The future may be dropped without loss.
    pub(super) async fn peer_left(&mut self) {
        loop {
            let room = MAX_UNREAD.saturating_sub(self.unread.len());
            if room == 0 {
                return std::future::pending().await;
            }
            if poll_fn(|cx| self.stream.poll_read_ready(cx)).await.is_err() {
                return;
            }
            let mut buffer = [0; 1024];
            let room = room.min(buffer.len());
            match self.stream.try_read(&mut buffer[..room]) {
                Ok(0) => return,
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn poll_read_unread_first(&mut self, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut (&mut self.stream).take(READ_AT_ONCE as u64)).poll_read(cx, to);
        }
        let length = self.unread.len().min(to.remaining());
        to.put_slice(&self.unread[..length]);
        self.unread = self.unread.split_off(length);
        Poll::Ready(Ok(()))
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        if let Some(http) = &self.http {
            http.has_unsent.store(written.is_pending(), Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(http) = self.http.clone() else { return Pin::new(&mut self.stream).poll_read(cx, to) };
        let filled = to.filled().len();
        std::task::ready!(self.poll_read_unread_first(cx, to))?;
        Poll::Ready(http.head_timer.bytes_received(&to.filled()[filled..]).map_err(io::Error::other))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
