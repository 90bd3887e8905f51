//! Refuses requests that two servers could read differently. A proxy in front of us may have read the same bytes as
//! another request (request smuggling).

use axum::http::{HeaderName, Request, Version, header};

/// What is ambiguous about a request: several `Host` or `Authorization` headers, or no `Host`, which HTTP/1.1 demands.
/// hyper handles a request with two lengths: it refuses it, or uses the chunks and closes the connection.
///
/// RFC 9112, section 3.2, and RFC 9110, section 11.6.2, allow each of these headers once.
pub(crate) fn ambiguity<B>(request: &Request<B>) -> Option<&'static str> {
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
