//! Errors as `application/problem+json` (RFC 9457) with a stable `code`.

use std::time::Duration;

use axum::{
    Json, Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use scenecast_scene::time::millis;

/// An answer that says what went wrong and what the caller can do.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// What programs look at; never changes its meaning.
    pub code: &'static str,
    /// What people read. Holds nothing that the caller sent.
    pub detail: String,
    /// When to come back, where coming back can help.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// There is nothing at this path.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    /// A problem that the same request will meet again.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    /// 400: the request isn't of the form that the call takes.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// 503: this pod, or what it needs, has no room or no answer now.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }

    /// When to come back, in whole seconds: not before that can help.
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after.map(|after| millis(after).div_ceil(1000).max(1))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after_secs();
        let body = json!({
            "status": self.status.as_u16(),
            "title": self.status.canonical_reason(),
            "code": self.code,
            "detail": self.detail,
        });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = retry_after {
            headers.insert(header::RETRY_AFTER, after.into());
        }
        response
    }
}

/// The routes, with problems for paths and methods that there aren't.
pub fn with_problems<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.fallback(|| async { Problem::not_found() }).method_not_allowed_fallback(|| async {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes other methods")
    })
}
