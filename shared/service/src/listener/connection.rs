//! The socket of an accepted connection, as hyper and upgrade handlers use it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
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
const READ_AT_ONCE: u64 = 8 * 1024 - 1;

/// An accepted socket, before and after an upgrade. Dropping it frees its share of the admission limits.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    admitted: Admitted,
    /// `None` after an upgrade: no more requests come.
    head_timer: Option<Arc<HeadTimer>>,
}

impl Connection {
    /// `unread` is how long the peer may leave unread what was sent to it; 0 leaves it to the operating system.
    pub(crate) fn new(stream: TcpStream, admitted: Admitted, head_timer: &Arc<HeadTimer>, unread: Duration) -> Self {
        let unread_ms = u32::try_from(unread.as_millis()).unwrap_or(u32::MAX);
        // These two calls fail only if the connection is gone, and then the next read fails, too.
        // A login is a single small frame: to wait for more data, as TCP does by default, would only delay it.
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, unread_ms);
        Self { stream, admitted, head_timer: Some(head_timer.clone()) }
    }

    /// The socket itself. A caller can wait until it is readable, and needs no read buffer until then.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Call this after an upgrade: it stops the timer for request headers. The connection holds the client's slot until
    /// it is dropped.
    #[must_use]
    pub fn upgraded(mut self, slot: Option<ConnectionSlot>) -> Self {
        self.head_timer = None;
        if let Some(slot) = slot {
            self.admitted.hold_slot(slot);
        }
        self
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, head_timer, .. } = &mut *self;
        let Some(head_timer) = head_timer else { return Pin::new(stream).poll_read(cx, to) };
        let filled = to.filled().len();
        std::task::ready!(Pin::new(&mut stream.take(READ_AT_ONCE)).poll_read(cx, to))?;
        Poll::Ready(head_timer.bytes_received(&to.filled()[filled..]).map_err(io::Error::other))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
