//! Refuses requests that two servers could read differently. A proxy in front of us may have read the same bytes as
//! another request (request smuggling).

use axum::{
    extract::{Request, State},
    http::{HeaderName, Version, header},
    middleware::Next,
    response::Response,
};

use crate::http::{
    bad_request::{BadRequest, BadRequests},
    client_address::PeerAddress,
    problem::Problem,
};

/// Middleware: refuses a request with several `Host` or `Authorization` headers, or without the `Host` that HTTP/1.1
/// demands. hyper handles a request with two lengths: it refuses it, or uses the chunks and closes the connection.
pub(crate) async fn refuse_ambiguous(
    State(bad_requests): State<BadRequests>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(detail) = ambiguity(&request) else { return Ok(next.run(request).await) };
    let peer = request.extensions().get().map(|PeerAddress(peer)| *peer);
    bad_requests.count(BadRequest::Ambiguous, peer, detail);
    Err(Problem::bad_request(detail))
}

/// RFC 9112, section 3.2, and RFC 9110, section 11.6.2, allow each of these headers once.
fn ambiguity(request: &Request) -> Option<&'static str> {
    let count = |name: HeaderName| request.headers().get_all(name).iter().count();
    let hosts = count(header::HOST);
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        Some("a request has one Host")
    } else if count(header::AUTHORIZATION) > 1 {
        Some("a request has one Authorization at most")
    } else {
        None
    }
}
