//! Refuses requests that two servers could read differently. A proxy in front of us may have read the same bytes as
//! another request (request smuggling).

use axum::{
    extract::Request,
    http::{HeaderName, Version, header},
    middleware::Next,
    response::Response,
};

use crate::http::problem::Problem;

/// Middleware: refuses a request with several `Host` or `Authorization` headers, or without the `Host` that HTTP/1.1
/// demands. hyper handles a request with two lengths: it refuses it, or uses the chunks and closes the connection.
pub(crate) async fn refuse_ambiguous(request: Request, next: Next) -> Result<Response, Problem> {
    match ambiguity(&request) {
        Some(detail) => Err(Problem::bad_request(detail)),
        None => Ok(next.run(request).await),
    }
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
