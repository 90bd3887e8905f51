//! Serves the requests of one connection, until it ends in one of the ways that [`accept`](super::accept) shows.

use std::{error::Error, io, sync::Arc, time::Duration};

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
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::{
    admission::admit::Admitted,
    http::{
        bad_request::{BadRequest, BadRequests},
        client_address::PeerAddress,
        head_limit::{MAX_HEAD_BYTES, MAX_HEADERS},
    },
    listener::{
        connection::Connection,
        first_bytes::FirstBytes,
        head_timer::HeadTimer,
        large_heads::{LargeHeads, TooManyLargeHeads},
    },
    shutdown::Shutdown,
};

/// How long a request's headers may take: from their first byte, or from the start of the connection for its first
/// request.
pub(super) const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// The same on a rejected connection.
const REJECTED_HEADERS_TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes of a head that are read: what is a little too large gets an answer that pages can read.
const READ_HEAD_BYTES: usize = MAX_HEAD_BYTES + 8 * 1024;
/// The most headers of a request that are read. hyper gets memory for as many with each request.
const READ_HEADERS: usize = MAX_HEADERS + 8;

/// A response that closes the connection without sending a byte. WeChat takes this as "deliver the message again".
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection is closed without an answer, on purpose")]
pub struct NoAnswer;

impl IntoResponse for NoAnswer {
    fn into_response(self) -> Response {
        let mut unsent = StatusCode::SERVICE_UNAVAILABLE.into_response();
        unsent.extensions_mut().insert(self);
        unsent
    }
}

/// How long a connection may be idle or slow.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionTimeouts {
    pub(super) idle: Duration,
    pub(super) unread: Duration,
}

/// A connection that was let in.
pub(super) struct AcceptedSocket {
    pub(super) stream: TcpStream,
    pub(super) admitted: Admitted,
    pub(super) peer: PeerAddress,
}

/// Serves a connection's requests by `app`. Counts what is no request.
pub(super) async fn serve_connection(
    accepted: AcceptedSocket,
    ConnectionTimeouts { idle, unread }: ConnectionTimeouts,
    large_heads: LargeHeads,
    app: Router,
    bad_requests: BadRequests,
    shutdown: Shutdown,
) {
    let AcceptedSocket { stream, admitted, peer } = accepted;
    let overloaded = admitted.overloaded();
    let idle = if overloaded.is_some() { REJECTED_HEADERS_TIMEOUT.min(idle) } else { idle };
    let headers_timeout = HEADERS_TIMEOUT.min(idle);
    let head_timer = Arc::new(HeadTimer::started(large_heads));
    let connection = Connection::new(stream, admitted, &head_timer, unread);
    let service = tower::service_fn(|mut request: axum::http::Request<Incoming>| {
        let was_large = head_timer.head_received();
        request.extensions_mut().insert(peer);
        let is_rejected = overloaded.is_some();
        if let Some(overloaded) = overloaded.clone() {
            request.extensions_mut().insert(overloaded);
        }
        let answering = app.clone().oneshot(request.map(Body::new));
        let head_timer = head_timer.clone();
        async move {
            let Ok(mut response) = answering.await;
            head_timer.request_answered();
            // A rejected client has to try again on a new connection, which may be admitted then. And hyper would keep the
            // memory of a large head until the next request.
            if (is_rejected || was_large) && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            // hyper closes the connection of a service that fails.
            match response.extensions().get::<NoAnswer>() {
                Some(no_answer) => Err(*no_answer),
                None => Ok(response),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(READ_HEAD_BYTES)
        .max_headers(READ_HEADERS)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::pin!(connection);
    let mut closing = false;
    loop {
        tokio::select! {
            served = &mut connection => {
                let Err(error) = served else { return };
                tracing::debug!(%error, "a connection ended with an error");
                let first_bytes = head_timer.first_bytes();
                if let Some(why) = bad_request(&error, first_bytes) {
                    bad_requests.count(why, Some(peer.0), first_bytes);
                }
                return;
            }
            () = head_timer.timed_out(headers_timeout) => {
                tracing::debug!("closed a connection, because a request's headers took too long");
                return;
            }
            () = shutdown.closing(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            // A client that doesn't read its answer must not hold up the drain.
            () = shutdown.drain_ended() => return,
        }
    }
}

/// What is wrong with a request that hyper can't read; `None` if the connection ended for another reason.
fn bad_request(error: &hyper::Error, first_bytes: FirstBytes) -> Option<BadRequest> {
    if error.is_parse_too_large() {
        return Some(BadRequest::HeadTooLarge);
    }
    if is_one_large_head_too_many(error) {
        return Some(BadRequest::LargeHeads);
    }
    error.is_parse().then(|| first_bytes.explain())
}

/// Whether the connection has ended with [`TooManyLargeHeads`].
fn is_one_large_head_too_many(error: &hyper::Error) -> bool {
    let read = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let Some(cause) = read.and_then(io::Error::get_ref) else { return false };
    cause.is::<TooManyLargeHeads>()
}
