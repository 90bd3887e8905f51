//! Waits for a cookie. A page asks for its code and opens its socket at the same moment, and then neither request has a
//! cookie. If both were given one at once, code and socket would be of two scenes, and the page would never hear its
//! login. So the request for the code waits for the socket's answer to set a cookie, by redirects to itself: a browser
//! sends each of them with the cookies that it has by then. If none comes, the page has no socket yet, and the code's
//! answer sets the cookie.
//!
//! Nothing is shared but the cookie, so a stranger who knows the id gets nothing by it.
//!
//! See docs/decisions/013-a-chosen-id-alone-finds-nothing.md.

use std::time::Duration;

use axum::{
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

/// How long a request waits, each time. A far browser needs three round trips for its socket, and one more second if a
/// packet is lost.
const WAITS: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(700), Duration::from_secs(1)];
/// The query of a request that has waited; the number of waits follows.
const WAITED: &str = "cookie=waited";

/// A request without a cookie waits, and is told to come again. None if it has waited long enough.
pub(super) async fn wait(uri: &Uri) -> Option<Response> {
    let waited = uri.query().and_then(|query| query.strip_prefix(WAITED)?.parse().ok()).unwrap_or(0_usize);
    tokio::time::sleep(*WAITS.get(waited)?).await;
    Some(redirect_to_self(&format!("{WAITED}{}", waited + 1)))
}

/// Has the browser send the request again, with this query and the cookies that it has by then.
pub(super) fn redirect_to_self(query: &str) -> Response {
    let headers = [(header::LOCATION, format!("?{query}")), (header::CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
}
