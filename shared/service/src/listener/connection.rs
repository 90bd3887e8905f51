//! An accepted socket.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{
    admission::{admit::Admitted, connection_slots::ConnectionSlot},
    listener::head_timer::HeadTimer,
};

/// An accepted socket; holds its place in the pod until it is dropped, upgraded or not.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    place: Admitted,
    head: Option<Arc<HeadTimer>>,
}

impl Connection {
    /// One whose peer may leave unread what was sent to it, for so long; 0 is no limit but the system's.
    pub(crate) fn new(stream: TcpStream, place: Admitted, head: &Arc<HeadTimer>, unread: Duration) -> Self {
        let unread = u32::try_from(unread.as_millis()).unwrap_or(u32::MAX);
        // Where these fail the connection is gone, which reading it tells.
        // Logins are single small frames: waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, unread);
        Self { stream, place, head: Some(head.clone()) }
    }

    /// The socket itself, for whoever waits for readiness instead of keeping a buffer.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The same, with which HTTP is over; its client's seat is kept for as long as it is.
    #[must_use]
    pub fn upgraded(mut self, seat: Option<ConnectionSlot>) -> Self {
        self.head = None;
        if let Some(seat) = seat {
            self.place.keep(seat);
        }
        self
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, to);
        if let (Poll::Ready(Ok(())), Some(head)) = (&read, &self.head) {
            head.heard();
        }
        read
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
