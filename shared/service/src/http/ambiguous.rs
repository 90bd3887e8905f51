//! Requests that two readers could take for different ones: a proxy before us has perhaps read the other.

use axum::{
    extract::Request,
    http::{HeaderName, Version, header},
    middleware::Next,
    response::Response,
};

use crate::http::problem::Problem;

/// Refuses a request with several hosts or keys, or without a host where it needs one. Where it has two lengths,
/// hyper has refused it, or goes by the chunks and closes the connection. A middleware.
pub(crate) async fn refuse_ambiguous(request: Request, next: Next) -> Result<Response, Problem> {
    match ambiguity(&request) {
        Some(what) => Err(Problem::bad_request(what)),
        None => Ok(next.run(request).await),
    }
}

/// What RFC 9112, section 3.2, and RFC 9110, section 11.6.2, allow once.
fn ambiguity(request: &Request) -> Option<&'static str> {
    let given = |name: HeaderName| request.headers().get_all(name).iter().count();
    let hosts = given(header::HOST);
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        Some("a request has one Host")
    } else if given(header::AUTHORIZATION) > 1 {
        Some("a request has one Authorization at most")
    } else {
        None
    }
}
