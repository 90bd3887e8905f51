//! The accept loop, in place of `axum::serve`: connections have places in their pod and time limits, give their
//! socket back whole after an upgrade, and are part of the drain.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::{
    admission::{
        admit::{Admission, Admitted},
        rate_limit::RateLimit,
    },
    http::{ambiguous::refuse_ambiguous, client_address::PeerAddress},
    listener::{connection::Connection, head_timer::HeadTimer},
    shutdown::Shutdown,
};

/// How long a request's headers may take from their first byte on; the first request's from the connection's
/// beginning, …
const HEADERS: Duration = Duration::from_secs(10);
/// … and those of whoever is only to be told that there is no room.
const TOLD_HEADERS: Duration = Duration::from_secs(2);
/// How long a peer may leave unread what was sent to it, unless it is said otherwise.
const UNREAD: Duration = Duration::from_secs(30);
/// Half of what the kernel keeps of what a peer doesn't read, in bytes: Linux doubles it, for what it needs itself. Left
/// alone it keeps up to 4 MB, so that a slow reader wouldn't be noticed for as long, and a crowd of them would cost
/// gigabytes.
const UNREAD_AT_MOST: usize = 32 * 1024;

/// What a listener takes that has room of its own.
#[derive(Debug, Clone, Copy)]
pub struct ListenerLimits {
    /// Connections at a time.
    pub connections: usize,
    /// How long a connection may wait for its next request, and that one's headers may take, if less than 10 s.
    pub idle: Duration,
}

/// As a response: none. The connection is closed without a byte, for a peer that takes silence as
/// "deliver it again".
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no answer is given")]
pub struct NoAnswer;

impl IntoResponse for NoAnswer {
    fn into_response(self) -> Response {
        let mut unsent = StatusCode::SERVICE_UNAVAILABLE.into_response();
        unsent.extensions_mut().insert(self);
        unsent
    }
}

/// An address is taken, or not ours.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {error}")]
pub struct ListenError {
    address: SocketAddr,
    error: io::Error,
}

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    admission: Admission,
    times: ConnectionTimeouts,
}

/// How long what may take on its connections.
#[derive(Debug, Clone, Copy)]
struct ConnectionTimeouts {
    idle: Duration,
    unread: Duration,
}

impl Listener {
    /// Binds, for what the log calls `name`; port 0 takes any.
    pub async fn bind(name: &'static str, address: SocketAddr, limits: ListenerLimits) -> Result<Self, ListenError> {
        Self::bind_in(name, address, &Admission::to(limits.connections), limits.idle).await
    }

    /// The same for one of several that share their pod's room; `idle` is that of [`ListenerLimits`].
    pub async fn bind_in(
        name: &'static str,
        address: SocketAddr,
        admission: &Admission,
        idle: Duration,
    ) -> Result<Self, ListenError> {
        let bind = async {
            let socket = TcpListener::bind(address).await?;
            // AcceptedSocket sockets have it from here.
            rustix::net::sockopt::set_socket_send_buffer_size(&socket, UNREAD_AT_MOST)?;
            Ok(socket)
        };
        let socket = bind.await.map_err(|error| ListenError { address, error })?;
        let listener =
            Self { socket, admission: admission.clone(), times: ConnectionTimeouts { idle, unread: UNREAD } };
        tracing::info!(address = %listener.address(), "listening: {name}");
        Ok(listener)
    }

    /// The same, where a peer may leave unread for so long what was sent to it, instead of 30 s; 0 is no limit.
    #[must_use]
    pub fn cutting_after(mut self, unread: Duration) -> Self {
        self.times.unread = unread;
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    /// Serves until the process closes; each connection is part of the drain.
    pub async fn serve(self, app: Router, shutdown: Shutdown) {
        let app = app.layer(from_fn(refuse_ambiguous));
        let complaints = RateLimit::per_second(1);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = shutdown.closing() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(place) = self.admission.admit(peer) {
                        let accepted = AcceptedSocket { stream, place, peer: PeerAddress(peer) };
                        shutdown.spawn(serve_connection(accepted, self.times, app.clone(), shutdown.clone()));
                    }
                }
                Err(error) => {
                    if complaints.allows() {
                        tracing::warn!(%error, "can't accept");
                    }
                    // Out of file descriptors, mostly: wait for some to be given back.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

struct AcceptedSocket {
    stream: TcpStream,
    place: Admitted,
    peer: PeerAddress,
}

async fn serve_connection(
    accepted: AcceptedSocket,
    ConnectionTimeouts { idle, unread }: ConnectionTimeouts,
    app: Router,
    shutdown: Shutdown,
) {
    let AcceptedSocket { stream, place, peer } = accepted;
    let crowded = place.crowded();
    let idle = if crowded.is_some() { TOLD_HEADERS.min(idle) } else { idle };
    let limit = HEADERS.min(idle);
    let head = Arc::new(HeadTimer::due());
    let connection = Connection::new(stream, place, &head, unread);
    let service = tower::service_fn(|mut request: axum::http::Request<Incoming>| {
        head.complete();
        request.extensions_mut().insert(peer);
        let is_crowded = crowded.is_some();
        if let Some(crowded) = crowded.clone() {
            request.extensions_mut().insert(crowded);
        }
        let answering = app.clone().oneshot(request.map(Body::new));
        let head = head.clone();
        async move {
            let Ok(mut response) = answering.await;
            head.answered();
            // Whoever is told that there is no room asks again on a new connection, for which there may be.
            if is_crowded && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            // hyper closes the connection of a service that fails.
            match response.extensions().get::<NoAnswer>() {
                Some(unanswered) => Err(*unanswered),
                None => Ok(response),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
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
            () = head.overdue(limit) => {
                tracing::debug!("a request's headers took too long");
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

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::socket_send_buffer_size;

    use super::*;

    #[tokio::test]
    async fn little_is_kept_of_what_a_peer_does_not_read() {
        let limits = ListenerLimits { connections: 1, idle: HEADERS };
        let listener = Listener::bind("tests", ([127, 0, 0, 1], 0).into(), limits).await.unwrap();
        let (accepted, _client) = tokio::join!(listener.socket.accept(), TcpStream::connect(listener.address()));
        assert_eq!(socket_send_buffer_size(accepted.unwrap().0).unwrap(), 2 * UNREAD_AT_MOST);
    }
}
