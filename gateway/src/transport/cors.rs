//! What browsers let pages of other hosts send and read (CORS). No I/O.
//!
//! | the page's origin | may send | may read the answer | with cookies |
//! |---|---|---|---|
//! | one of ours | any header | yes | yes |
//! | another | the headers of the own API | yes: that its origin is forbidden | no |
//!
//! Whatever a page of another origin sends is refused by `origin_check`, so all that it can read is why.
//!
//! See docs/decisions/061-a-forbidden-page-may-read-that-it-is.md.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
};
use scenecast_service::config::Origins;
use tower_http::cors::{AllowCredentials, AllowHeaders, AllowOrigin, CorsLayer};

/// The header with which a stream says what it has seen.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The headers that the own API reads, as browsers write them in a preflight.
const OWN_HEADERS: [&str; 3] = ["authorization", "content-type", "last-event-id"];
/// A preflight that asks for more than so many bytes of header names comes from no honest page.
const MAX_REQUESTED_BYTES: usize = 2048;
/// How long a browser may keep the answer to a preflight.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The layer that answers preflights. Place [`trim_requested_headers`] outside of it.
pub(super) fn cors(origins: &Origins) -> CorsLayer {
    let origins = origins.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        // For the cookies of the compatible routes. The own API uses none.
        .allow_credentials(AllowCredentials::predicate(move |origin, _| is_ours(&origins, origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::RETRY_AFTER])
        .max_age(MAX_AGE)
}

/// Middleware: leaves in a preflight those header names that the page may send. Monitoring scripts add headers of their
/// own to each request of a page, and a preflight that doesn't allow one of them fails.
pub(super) async fn trim_requested_headers(State(origins): State<Origins>, mut request: Request) -> Request {
    let headers = request.headers_mut();
    if headers.contains_key(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        trim(headers, &origins);
    }
    request
}

fn trim(headers: &mut HeaderMap, origins: &Origins) {
    let is_ours = headers.get(header::ORIGIN).is_some_and(|origin| is_ours(origins, origin));
    let requested = headers.remove(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let allowed = requested.as_ref().and_then(|names| names.to_str().ok()).map(|names| allowed(names, is_ours));
    if let Some(allowed) = allowed.and_then(|names| HeaderValue::try_from(names).ok()) {
        headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, allowed);
    }
}

fn is_ours(origins: &Origins, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| origins.allows(origin))
}

/// Those of the requested header names that a page may send.
fn allowed(requested: &str, is_ours: bool) -> String {
    let is_honest = requested.len() <= MAX_REQUESTED_BYTES;
    let may_send = |name: &&str| {
        if is_ours && is_honest {
            name.parse::<HeaderName>().is_ok()
        } else {
            OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
        }
    };
    requested.split(',').map(str::trim).filter(may_send).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What monitoring scripts add to the requests of a page.
    const MONITORING: &str = "baggage,b3,elastic-apm-traceparent,newrelic,request-id,sentry-trace,traceparent,\
                              tracestate,uber-trace-id,x-b3-sampled,x-b3-spanid,x-b3-traceid,x-datadog-origin,\
                              x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-trace-id";

    #[test]
    fn our_pages_may_send_whatever_their_scripts_add() {
        for requested in ["authorization", MONITORING, "Authorization,X-Any_thing.1"] {
            assert_eq!(allowed(requested, true), requested);
        }
        assert_eq!(allowed("authorization,a b,ä,,\u{7f}, traceparent ", true), "authorization,traceparent");
        let huge = format!("authorization,{}", "x,".repeat(MAX_REQUESTED_BYTES));
        assert_eq!(allowed(&huge, true), "authorization");
    }

    #[test]
    fn other_pages_may_send_what_it_takes_to_be_told() {
        let requested = format!("authorization,{MONITORING},Content-Type,last-event-id,cookie");
        assert_eq!(allowed(&requested, false), "authorization,Content-Type,last-event-id");
        assert_eq!(allowed(MONITORING, false), "");
    }
}
