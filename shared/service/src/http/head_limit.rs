//! How much a request's head may have: its request line and its headers. Proxies pass 32 KB (nginx) to 64 KB (AWS's load
//! balancers), and the cookies of a site with many tools take 16 KB.
//!
//! hyper reads a little more (8 KB, 8 lines), so that most of what is too large gets an answer that pages can read. Beyond
//! that it answers 431 by itself, without a body.
//!
//! See docs/decisions/067-heads-of-64-kilobytes.md.

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};

use crate::http::{
    bad_request::{BadRequest, BadRequests},
    client_address::PeerAddress,
    problem::Problem,
};

/// The most bytes of a head that is served.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The most headers of a request that is served.
pub const MAX_HEADERS: usize = 200;
/// The blank, the colon and the line break of a header line.
const BYTES_BESIDE_HEADER: usize = 4;

/// Middleware: answers 431 to a request whose head is too large. Place it inside of what lets pages read answers (CORS).
pub async fn refuse_large_heads(
    State(bad_requests): State<BadRequests>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers().len();
    let bytes = head_bytes(&request);
    if headers <= MAX_HEADERS && bytes <= MAX_HEAD_BYTES {
        return Ok(next.run(request).await);
    }
    let peer = request.extensions().get().map(|PeerAddress(peer)| *peer);
    bad_requests.count(BadRequest::HeadTooLarge, peer, format_args!("{headers} headers, {bytes} bytes"));
    Err(Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        "a request has 64 KB and 200 lines of headers at most; perhaps this site has too many cookies",
    ))
}

/// How many bytes the head had, or a few less.
fn head_bytes(request: &Request) -> usize {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers().iter();
    path + headers.map(|(name, value)| name.as_str().len() + value.len() + BYTES_BESIDE_HEADER).sum::<usize>()
}
