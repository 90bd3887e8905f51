//! The accept loop, in place of `axum::serve`.
//!
//! It admits connections, limits how long they may be idle or slow, lets an upgrade take its socket without a buffer,
//! and closes connections when the process drains:
//!
//! ```text
//!              Listener::serve                      serve_connection, one task a connection
//!  accept ──▶ Admission::admit ──None──▶ drop        ends when
//!                   │                                 • the client closes, or is idle for `idle`
//!                   └──Admitted──▶ spawn ───────────▶ • a request's headers take more than 10 s (HeadTimer)
//!                                                     • the client doesn't read what was sent for 30 s (TCP_USER_TIMEOUT)
//!  ends on Shutdown::closing                          • Shutdown::closing, after the request in progress
//!                                                     • Shutdown::drain_ended, at once
//! ```
//!
//! When the process has no descriptor left, a listener uses one that it kept back (`SpareDescriptors`), to turn the client
//! away. Probes and metrics are served so.
//!
//! A response that takes long may leave the HTTP server, and its connection comes back after it (`detached`).
//!
//! Requests on a rejected connection are marked as `Overloaded`. Such a connection has 2 s for its headers, and is
//! closed after one answer.

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use tokio::net::TcpListener;

use crate::{
    admission::{
        admit::{Admission, Admitted},
        overload::RejectReason,
        rate_limit::RateLimit,
    },
    http::{bad_request::BadRequests, client_address::PeerAddress},
    listener::{
        bind::bind,
        large_heads::LargeHeads,
        serve::{AcceptedSocket, ConnectionTimeouts, serve_connection},
        spare_descriptors::SpareDescriptors,
    },
    shutdown::Shutdown,
};

/// How long a peer may leave unread what was sent to it, by default.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How many descriptors a listener keeps back for clients that it turns away.
const SPARE_DESCRIPTORS: usize = 16;
/// How long to wait if a connection can't be accepted, and none of those is left either.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The size of a socket's send buffer, in bytes. Linux doubles it, for its own bookkeeping. By default it grows to 4 MB:
/// a slow reader would be noticed late, and thousands of slow readers would take gigabytes.
const SEND_BUFFER: usize = 32 * 1024;

/// The limits of a listener that shares no [`Admission`] with others.
#[derive(Debug, Clone, Copy)]
pub struct ListenerLimits {
    /// Connections at a time.
    pub connections: usize,
    /// How long a connection may wait for its next request. A request's headers may take as long, but at most 10 s.
    pub idle: Duration,
}

/// A listener's address can't be bound: mostly another process uses it, or it isn't an address of this machine.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {source}")]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// A bound address, ready to accept connections.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    admission: Admission,
    timeouts: ConnectionTimeouts,
    large_heads: LargeHeads,
    spare: SpareDescriptors,
    /// What becomes of a connection that takes a spare descriptor.
    without_descriptors: Exhausted,
}

/// What a listener does with a connection when the process has no other descriptor left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exhausted {
    /// Serves it: its clients are few, and have to see how the process is.
    Serve,
    Reject,
}

impl Listener {
    /// Binds `address`; port 0 takes any free port. `clients` says in the log who connects here.
    pub async fn bind(clients: &'static str, address: SocketAddr, limits: ListenerLimits) -> Result<Self, ListenError> {
        let admission = Admission::with_connection_limit(limits.connections);
        let listener = Self::bind_with_admission(clients, address, &admission, limits.idle).await?;
        Ok(Self { without_descriptors: Exhausted::Serve, ..listener })
    }

    /// Binds one of several listeners that share the limits of their pod. `idle` is as in [`ListenerLimits`].
    #[expect(clippy::unused_async, reason = "its socket needs a runtime, which an async function has")]
    pub async fn bind_with_admission(
        clients: &'static str,
        address: SocketAddr,
        admission: &Admission,
        idle: Duration,
    ) -> Result<Self, ListenError> {
        let bind = || {
            let socket = bind(address)?;
            // Accepted sockets inherit it.
            rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
            Ok(socket)
        };
        let socket = bind().map_err(|source| ListenError { address, source })?;
        let timeouts = ConnectionTimeouts { idle, unread: UNREAD_TIMEOUT };
        let listener = Self {
            socket,
            admission: admission.clone(),
            timeouts,
            large_heads: LargeHeads::default(),
            spare: SpareDescriptors::new(SPARE_DESCRIPTORS),
            without_descriptors: Exhausted::Reject,
        };
        tracing::info!(address = %listener.address(), clients, "accepting connections");
        Ok(listener)
    }

    /// Closes a connection whose peer leaves unread for this long what was sent to it, instead of 30 s. 0 leaves it to
    /// the operating system.
    #[must_use]
    pub fn with_unread_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.unread = timeout;
        self
    }

    /// The bound address, with the port that was taken for port 0.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    /// Where what this listener can't serve is counted.
    pub(super) fn bad_requests(&self) -> &BadRequests {
        self.admission.bad_requests()
    }

    /// Accepts and serves connections until the process closes them. The process waits for them when it drains.
    pub async fn serve(mut self, app: Router, shutdown: Shutdown) {
        let bad_requests = self.bad_requests().clone();
        let log_rate = RateLimit::per_second(1);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = shutdown.closing() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let peer = canonical(peer);
                    if let Some(admitted) = self.admit(peer) {
                        let accepted = AcceptedSocket { stream, admitted, peer: PeerAddress(peer) };
                        let serving = serve_connection(
                            accepted,
                            self.timeouts,
                            self.large_heads.clone(),
                            app.clone(),
                            bad_requests.clone(),
                            shutdown.clone(),
                        );
                        shutdown.spawn(serving);
                    }
                }
                Err(error) => {
                    if log_rate.allows() {
                        tracing::warn!(
                            %error,
                            "can't accept connections as usual; if it says too many open files, new clients are turned \
                             away: raise the limit of open files (ulimit -n, LimitNOFILE; of the machine: fs.file-max), \
                             or lower limits.connections"
                        );
                    }
                    let may_accept = is_out_of_descriptors(&error) && self.spare.release();
                    if !may_accept {
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        }
    }

    /// Admits a connection. If the process has no descriptor left, this one is turned away, so that its descriptor is
    /// soon free again.
    fn admit(&mut self, peer: SocketAddr) -> Option<Admitted> {
        if self.spare.refill() || self.without_descriptors == Exhausted::Serve {
            self.admission.admit(peer)
        } else {
            self.admission.reject(peer, RejectReason::Descriptors)
        }
    }
}

/// On a listener of all addresses, a client's IPv4 address is written as IPv6.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Whether the process, or the machine, has no descriptor left.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let error = rustix::io::Errno::from_io_error(error);
    matches!(error, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::socket_send_buffer_size;

    use tokio::net::TcpStream;

    use super::*;
    use crate::listener::serve::HEADERS_TIMEOUT;

    #[tokio::test]
    async fn an_accepted_socket_has_a_small_send_buffer() {
        let limits = ListenerLimits { connections: 1, idle: HEADERS_TIMEOUT };
        let listener = Listener::bind("tests", ([127, 0, 0, 1], 0).into(), limits).await.unwrap();
        let (accepted, _client) = tokio::join!(listener.socket.accept(), TcpStream::connect(listener.address()));
        assert_eq!(socket_send_buffer_size(accepted.unwrap().0).unwrap(), 2 * SEND_BUFFER);
    }
}
