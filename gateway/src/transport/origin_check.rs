//! Refuses requests from pages of other origins, and tells the page and the operator.
//!
//! That an origin is missing in the configuration is the commonest mistake of a first hour. So nobody is left to guess:
//!
//! | who | what they get |
//! |---|---|
//! | a page on a WebSocket | the socket is accepted and closed with 1008. A page of the own API gets the problem first |
//! | a page by HTTP | the problem with 403, which its script may read |
//! | the operator | a warning with the origin, at most one a second, and a count of all |
//!
//! See docs/decisions/061-a-forbidden-page-may-read-that-it-is.md.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use scenecast_service::{admission::RateLimit, config::Origins, http::Problem};

use super::{
    page_origin::{OriginForbiddenError, page_origin},
    websocket,
};
use crate::state::GatewayState;

/// How much of an origin is logged, in bytes. A host name has at most 253.
const MAX_LOGGED: usize = 300;

/// Which origins may pass, and who is told of others. Clones are the same one.
#[derive(Clone)]
pub(super) struct OriginCheck(Arc<Inner>);

struct Inner {
    origins: Origins,
    state: GatewayState,
    warnings: RateLimit,
}

impl OriginCheck {
    pub(super) fn new(origins: &Origins, state: &GatewayState) -> Self {
        let warnings = RateLimit::per_second(1);
        Self(Arc::new(Inner { origins: origins.clone(), state: state.clone(), warnings }))
    }

    fn refuse(&self, error: &OriginForbiddenError, mut request: Request) -> Response {
        self.0.state.metrics().origins_forbidden.inc();
        if self.0.warnings.allows() {
            warn(error, request.headers());
        }
        let problem = Problem::new(StatusCode::FORBIDDEN, "origin_forbidden", error.to_string());
        let socket = websocket::close_unadmitted(&mut request, &problem, self.0.state.shutdown());
        socket.unwrap_or_else(|| problem.into_response())
    }
}

/// Middleware: refuses requests from pages of other origins. Tells the others' origin to those who ask for the visitor.
pub(super) async fn check_origin(State(check): State<OriginCheck>, mut request: Request, next: Next) -> Response {
    match page_origin(&check.0.origins, request.headers()) {
        Ok(origin) => {
            if let Some(origin) = origin {
                request.extensions_mut().insert(origin);
            }
            next.run(request).await
        }
        Err(error) => check.refuse(&error, request),
    }
}

/// Says what the operator can do. The origin is a stranger's text.
fn warn(error: &OriginForbiddenError, headers: &HeaderMap) {
    let text = |name| headers.get(name).map(printable).unwrap_or_default();
    let origin = text(header::ORIGIN);
    match error {
        OriginForbiddenError::NotListed => tracing::warn!(
            %origin,
            "refused a page whose origin isn't in origins; if it is your login page, add exactly this text to origins"
        ),
        OriginForbiddenError::Opaque => tracing::warn!(
            %origin,
            "refused a page without an origin of its own: a file, or a sandboxed frame; have it served by https:// from an \
             origin that is in origins"
        ),
        OriginForbiddenError::OtherSite => tracing::warn!(
            referer = text(header::REFERER).split(['?', '#']).next(),
            "refused a request that a page of another origin has the browser send, such as an image or a link; if it is your \
             login page, add its origin to origins, and let it send a Referer"
        ),
    }
}

/// The beginning of a header's value, without anything that could break a line.
fn printable(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    bytes[..bytes.len().min(MAX_LOGGED)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_of_a_strangers_text_is_one_short_line() {
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        assert_eq!(printable(&value(b"https://www.example.com:8443")), "https://www.example.com:8443");
        assert_eq!(printable(&value(b"\xe4\xbd\xa0\t")), r"\xe4\xbd\xa0\t");
        assert_eq!(printable(&value(&[b'x'; 9000])).len(), MAX_LOGGED);
    }
}
