//! Responses that take long, and are sent without the HTTP server.
//!
//! hyper keeps buffers for a connection while a response is under way, 8 KB and more, and axum keeps the request and what
//! each layer holds. A page that waits for its login needs none of that:
//!
//! ```text
//!  request ──▶ hyper ──▶ layers, handler ──▶ a usual response ──────────────────▶ hyper
//!                            │                                                      ▲
//!                            └──▶ Detachable::stream, ::later ──▶ hyper is dropped  │ the next request
//!                                                                  │                │
//!                                                                  └▶ send() ───────┘
//! ```
//!
//! What layers add to the response counts as usual: its headers, and what they hold until its body ends.
//!
//! See docs/decisions/104-a-waiting-response-leaves-the-http-server.md.

use std::{fmt, pin::Pin, sync::Arc};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderMap, Method, Version, header},
    response::Response,
};
use futures_util::{FutureExt, stream};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;

use crate::{
    listener::{
        connection::Connection,
        response_head::{BodyFraming, HeaderLines, LAST_CHUNK, push_chunk, response_head},
    },
    shutdown::Shutdown,
};

/// At most about so many bytes wait to be sent with those that follow.
const SENT_AT_ONCE: usize = 16 * 1024;

type LaterResponse = Pin<Box<dyn Future<Output = Response> + Send>>;

/// As an extension of a request: its response may be sent without the HTTP server.
#[derive(Debug, Clone)]
pub struct Detachable(());

impl Detachable {
    /// Whether this request's response may be detached: a plain `GET` of HTTP/1.1, without a body.
    pub(super) fn for_request<B: HttpBody>(request: &axum::http::Request<B>) -> Option<Self> {
        let may_be = request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && request.body().is_end_stream()
            && !request.headers().contains_key(header::UPGRADE);
        may_be.then_some(Self(()))
    }

    /// The permission of a request; none if its response has to take the usual way.
    pub fn of(request: &Request) -> Option<Self> {
        request.extensions().get().cloned()
    }

    /// Has the body of this response sent as it comes.
    #[must_use]
    pub fn stream(self, mut response: Response) -> Response {
        response.extensions_mut().insert(Detached::default());
        response
    }

    /// A response that comes later. It is dropped if the client leaves before.
    #[must_use]
    pub fn later(self, response: impl Future<Output = Response> + Send + 'static) -> Response {
        let later: LaterResponse = Box::pin(response);
        // Layers take a body of unknown length for one that is under way, and hold until its end what belongs to it.
        let mut placeholder = Response::new(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
        placeholder.extensions_mut().insert(Detached(Arc::new(Mutex::new(Some(later)))));
        placeholder
    }
}

/// Marks a response that is to be detached.
#[derive(Clone, Default)]
pub(super) struct Detached(Arc<Mutex<Option<LaterResponse>>>);

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Detached")
    }
}

/// A response that hyper has let go of, and its connection.
pub(super) struct DetachedResponse {
    pub(super) connection: Connection,
    pub(super) response: Response,
    /// Whether the client wants to send another request after it.
    pub(super) stays: bool,
}

/// Whether the client of a request of HTTP/1.1 wants to send another one on its connection.
pub(super) fn client_stays(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    !values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Sends a response. Returns the connection if it stays for another request.
pub(super) type Sending<'a> = Pin<Box<dyn Future<Output = Option<Connection>> + Send + 'a>>;

impl DetachedResponse {
    /// Sends the response. The connection doesn't stay if the process closes its connections by the time that the response
    /// is there.
    ///
    /// Neither this nor what it calls is an `async fn`: what is taken apart would have a place in each page's task.
    pub(super) fn send(self, shutdown: &Shutdown) -> Sending<'_> {
        let Self { connection, mut response, stays } = self;
        let detached = response.extensions_mut().remove::<Detached>();
        match detached.and_then(|detached| detached.0.lock().take()) {
            None => send_now(connection, response, &HeaderLines::default(), stays && !shutdown.is_closing()),
            Some(later) => {
                let (parts, placeholder) = response.into_parts();
                let added = HeaderLines::from(&parts.headers);
                Box::pin(send_later(connection, later, added, placeholder, stays, shutdown))
            }
        }
    }
}

/// Waits for a response, with what layers hold in the body of its placeholder, and sends it with the headers that they have
/// added.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
fn send_later(
    mut connection: Connection,
    later: LaterResponse,
    added: HeaderLines,
    placeholder: Body,
    stays: bool,
    shutdown: &Shutdown,
) -> impl Future<Output = Option<Connection>> + Send {
    async move {
        let response = tokio::select! {
            biased;
            response = later => response,
            () = connection.peer_left() => return None,
        };
        drop(placeholder);
        send_now(connection, response, &added, stays && !shutdown.is_closing()).await
    }
}

fn send_now(connection: Connection, response: Response, added: &HeaderLines, stays: bool) -> Sending<'static> {
    let (parts, body) = response.into_parts();
    let stays = stays && client_stays(&parts.headers);
    let framing = body.size_hint().exact().map_or(BodyFraming::Chunked, BodyFraming::Length);
    let head = response_head(parts.status, &parts.headers, added, framing, stays);
    Box::pin(send_parts(connection, head, body, framing, stays))
}

#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
fn send_parts(
    mut connection: Connection,
    mut unsent: Vec<u8>,
    mut body: Body,
    framing: BodyFraming,
    stays: bool,
) -> impl Future<Output = Option<Connection>> + Send {
    async move {
        while let Some(part) = next_part(&mut connection, &mut unsent, &mut body).await? {
            match framing {
                BodyFraming::Length(_) => unsent.extend_from_slice(&part),
                BodyFraming::Chunked => push_chunk(&mut unsent, &part),
            }
        }
        if framing == BodyFraming::Chunked {
            unsent.extend_from_slice(LAST_CHUNK);
        }
        connection.write_all(&unsent).await.ok()?;
        if stays {
            return Some(connection);
        }
        // The client has the whole response, whatever becomes of this.
        let _ = connection.shutdown().await;
        None
    }
}

/// The next part of the body, or `Some(None)` after the last one. What is unsent is sent before it is waited for. `None` if the
/// client has left, or the body has failed.
async fn next_part(connection: &mut Connection, unsent: &mut Vec<u8>, body: &mut Body) -> Option<Option<Bytes>> {
    let mut ready = body.frame().now_or_never();
    if ready.is_none() || unsent.len() >= SENT_AT_ONCE {
        connection.write_all(&std::mem::take(unsent)).await.ok()?;
    }
    if ready.is_none() {
        ready = tokio::select! {
            biased;
            part = body.frame() => Some(part),
            () = connection.peer_left() => return None,
        };
    }
    match ready.flatten() {
        None => Some(None),
        Some(frame) => Some(Some(frame.ok()?.into_data().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_stays_unless_it_says_otherwise() {
        for (connection, stays) in
            [("keep-alive", true), ("", true), ("close", false), ("te, Close", false), ("closed", true)]
        {
            let headers = HeaderMap::from_iter([(header::CONNECTION, connection.parse().unwrap())]);
            assert_eq!(client_stays(&headers), stays, "{connection}");
        }
        assert!(client_stays(&HeaderMap::new()));
    }

    #[test]
    fn a_response_that_is_waited_for_is_small() {
        fn size_of_future<A, B, C, D, E, S, F: Future>(_: fn(A, B, C, D, E, S) -> F) -> usize {
            size_of::<F>()
        }
        let size = size_of_future(send_later);
        assert!(size <= 256, "{size} bytes");
    }

    #[test]
    fn only_a_plain_get_is_detached() {
        let request = |method: Method, version, body: &'static str, upgrade: Option<&str>| {
            let request = axum::http::Request::builder().method(method).version(version);
            let request = upgrade.into_iter().fold(request, |request, to| request.header("upgrade", to));
            Detachable::for_request(&request.body(Body::from(body)).unwrap()).is_some()
        };
        assert!(request(Method::GET, Version::HTTP_11, "", None));
        assert!(!request(Method::HEAD, Version::HTTP_11, "", None), "it has no body");
        assert!(!request(Method::GET, Version::HTTP_10, "", None), "it has no chunks");
        assert!(!request(Method::GET, Version::HTTP_11, "x", None), "the rest of the body isn't the next request");
        assert!(!request(Method::GET, Version::HTTP_11, "", Some("websocket")));
    }
}
