//! Serves the requests of one connection, until it ends in one of the ways that [`accept`](super::accept) shows.

use std::{
    error::Error,
    future::poll_fn,
    io,
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
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::{
    admission::{admit::Admitted, overload::Overloaded},
    http::{
        ambiguous::ambiguity,
        bad_request::{BadRequest, BadRequests},
        client_address::PeerAddress,
        head_limit::{MAX_HEAD_BYTES, MAX_HEADERS},
        problem::Problem,
    },
    listener::{
        connection::{Connection, HttpSide},
        detached::{Detachable, Detached, DetachedResponse, Sending, client_stays},
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
///
/// Not an `async fn`: that would keep its arguments twice.
pub(super) fn serve_connection(
    accepted: AcceptedSocket,
    ConnectionTimeouts { idle, unread }: ConnectionTimeouts,
    large_heads: LargeHeads,
    app: Router,
    bad_requests: BadRequests,
    shutdown: Shutdown,
) -> impl Future<Output = ()> + Send {
    let AcceptedSocket { stream, admitted, peer } = accepted;
    let overloaded = admitted.overloaded();
    let idle = if overloaded.is_some() { REJECTED_HEADERS_TIMEOUT.min(idle) } else { idle };
    let http = HttpSide::new(HeadTimer::started(large_heads));
    let mut connection = Connection::new(stream, admitted, http.clone(), unread);
    let server = HttpServer { app, peer, overloaded, idle, http, bad_requests, shutdown };
    async move {
        loop {
            // In a box of its own, which is gone while a response is sent without it.
            let Some(sending) = Box::pin(server.serve_requests(connection)).await else { return };
            connection = tokio::select! {
                sent = sending => match sent {
                    Some(connection) => connection,
                    None => return,
                },
                // A client that doesn't read its answer must not hold up the drain.
                () = server.shutdown.drain_ended() => return,
            };
            server.http.head_timer.request_answered();
        }
    }
}

/// What a connection's requests are served with.
struct HttpServer {
    app: Router,
    peer: PeerAddress,
    overloaded: Option<Overloaded>,
    idle: Duration,
    http: Arc<HttpSide>,
    bad_requests: BadRequests,
    shutdown: Shutdown,
}

impl HttpServer {
    /// Serves requests until one has a response that is to be sent without hyper, or the connection has ended.
    async fn serve_requests(&self, connection: Connection) -> Option<Sending<'_>> {
        let Self { http, shutdown, idle, .. } = self;
        let headers_timeout = HEADERS_TIMEOUT.min(*idle);
        let detached = Mutex::new(None);
        let service = tower::service_fn(|request| self.answer(request, &detached));
        let mut serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(*idle)
            .max_buf_size(READ_HEAD_BYTES)
            .max_headers(READ_HEADERS)
            .serve_connection(TokioIo::new(connection), TowerToHyperService::new(service))
            .with_upgrades();
        let mut closing = false;
        loop {
            tokio::select! {
                served = poll_fn(|cx| poll_until_detached(&mut serving, &detached, cx)) => match served {
                    Some(Ok(())) => return None,
                    Some(Err(error)) => {
                        self.count_error(&error);
                        return None;
                    }
                    None => break,
                },
                () = http.head_timer.timed_out(headers_timeout) => {
                    tracing::debug!("closed a connection, because a request's headers took too long");
                    return None;
                }
                () = shutdown.closing(), if !closing => {
                    closing = true;
                    Pin::new(&mut serving).graceful_shutdown();
                }
                // A client that doesn't read its answer must not hold up the drain.
                () = shutdown.drain_ended() => return None,
            }
        }
        let parts = serving.into_parts()?;
        let connection = parts.io.into_inner().with_unread(&parts.read_buf);
        let (response, stays) = detached.into_inner()?;
        Some(DetachedResponse { connection, response, stays }.send(shutdown))
    }

    /// The response to a request. One that is to be detached goes to `detached`, and hyper waits until it is dropped.
    async fn answer(
        &self,
        mut request: axum::http::Request<Incoming>,
        detached: &Mutex<Option<(Response, bool)>>,
    ) -> Result<Response, NoAnswer> {
        let head_timer = &self.http.head_timer;
        let was_large = head_timer.head_received();
        let is_rejected = self.overloaded.is_some();
        let stays = client_stays(request.headers());
        // What hyper has yet to send of an earlier response would be lost.
        if !is_rejected
            && !was_large
            && !self.http.has_unsent()
            && let Some(detachable) = Detachable::for_request(&request)
        {
            request.extensions_mut().insert(detachable);
        }
        request.extensions_mut().insert(self.peer);
        if let Some(overloaded) = self.overloaded.clone() {
            request.extensions_mut().insert(overloaded);
        }
        let mut response = self.respond(request).await;
        if response.extensions().get::<Detached>().is_some() {
            *detached.lock() = Some((response, stays));
            return std::future::pending().await;
        }
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

    async fn respond(&self, request: axum::http::Request<Incoming>) -> Response {
        // No layer of the app: those cost each request more than the check does.
        if let Some(detail) = ambiguity(&request) {
            self.bad_requests.count(BadRequest::Ambiguous, Some(self.peer.0), detail);
            return Problem::bad_request(detail).into_response();
        }
        let Ok(response) = self.app.clone().oneshot(request.map(Body::new)).await;
        response
    }

    fn count_error(&self, error: &hyper::Error) {
        tracing::debug!(%error, "a connection ended with an error");
        let first_bytes = self.http.head_timer.first_bytes();
        if let Some(why) = bad_request(error, first_bytes) {
            self.bad_requests.count(why, Some(self.peer.0), first_bytes);
        }
    }
}

/// How the connection has ended; `None` once there is a response to detach.
fn poll_until_detached<F: Future + Unpin, T>(
    serving: &mut F,
    detached: &Mutex<Option<T>>,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    match Pin::new(serving).poll(cx) {
        Poll::Ready(served) => Poll::Ready(Some(served)),
        // It is put there within the call above.
        Poll::Pending if detached.lock().is_some() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, E, G, F: Future>(_: fn(A, B, C, D, E, G) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_connection_is_small() {
        let size = size_of_future(serve_connection);
        assert!(size <= 400, "{size} bytes");
    }
}
