//! The accept loop, in place of `axum::serve`: connections have a ceiling and a time limit for
//! their headers, give their socket back whole after an upgrade, and are part of the drain.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt;

use super::{Peer, Shutdown};

/// Beyond the ceiling, this many connections are still told so; then they wait in the kernel.
const TOLD: usize = 256;

/// How long a peer may leave unread what was sent to it, in milliseconds.
const UNREAD_FOR: u32 = 30_000;

/// What a listener takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// How long a request's headers may take, and a connection may wait for its next request.
    pub headers: Duration,
}

/// Marks requests on a connection beyond the ceiling: to be told, and not served.
#[derive(Debug, Clone, Copy)]
pub struct Crowded;

/// As a response: none. The connection is closed without a byte, for a peer that takes silence as
/// "deliver it again".
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no answer is given")]
pub struct Unanswered;

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        let mut unsent = StatusCode::SERVICE_UNAVAILABLE.into_response();
        unsent.extensions_mut().insert(self);
        unsent
    }
}

/// An address is taken, or not ours.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {error}")]
pub struct CannotListen {
    address: SocketAddr,
    error: io::Error,
}

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: Limits,
}

impl Listener {
    /// Binds, for what the log calls `name`; port 0 takes any.
    pub async fn bind(name: &'static str, address: SocketAddr, limits: Limits) -> Result<Self, CannotListen> {
        let socket = TcpListener::bind(address).await.map_err(|error| CannotListen { address, error })?;
        let listener = Self { socket, limits };
        tracing::info!(address = %listener.address(), "listening: {name}");
        Ok(listener)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    /// Serves until the process closes; each connection is part of the drain.
    pub async fn serve(self, app: Router, shutdown: Shutdown) {
        let room = Arc::new(Semaphore::new(self.limits.connections + TOLD));
        loop {
            let accepting = async {
                let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
                (self.socket.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepting => accepted,
                () = shutdown.closing() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let crowded = room.available_permits() < TOLD;
                    let connection = Connection { stream, _permit: permit };
                    let accepted = Accepted { connection, peer: Peer(peer), crowded };
                    let headers = self.limits.headers;
                    shutdown.spawn(serve_connection(accepted, headers, app.clone(), shutdown.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to be given back.
                    tracing::warn!(%error, "can't accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

struct Accepted {
    connection: Connection,
    peer: Peer,
    crowded: bool,
}

async fn serve_connection(accepted: Accepted, headers: Duration, app: Router, shutdown: Shutdown) {
    let Accepted { connection, peer, crowded } = accepted;
    // Where these fail the connection is gone, which reading it tells.
    // Logins are single small frames: waiting for more to send would only delay them.
    let _ = connection.stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&connection.stream, UNREAD_FOR);
    let service = tower::service_fn(move |mut request: axum::http::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        if crowded {
            request.extensions_mut().insert(Crowded);
        }
        let answering = app.clone().oneshot(request.map(Body::new));
        async move {
            let Ok(mut response) = answering.await;
            // Whoever is told that there is no room asks again on a new connection, for which there may be.
            if crowded && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            // hyper closes the connection of a service that fails.
            match response.extensions().get::<Unanswered>() {
                Some(unanswered) => Err(*unanswered),
                None => Ok(response),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(headers)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::pin!(connection);
    let mut closing = false;
    loop {
        tokio::select! {
            served = &mut connection => {
                if let Err(error) = served {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = shutdown.closing(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            // An answer that its reader doesn't take would hold the drain.
            () = shutdown.over() => return,
        }
    }
}

/// An accepted socket; holds its place under the ceiling until it is dropped, upgraded or not.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// The socket itself, for whoever waits for readiness instead of keeping a buffer.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
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
