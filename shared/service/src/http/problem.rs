//! HTTP errors as `application/problem+json` (RFC 9457) with a stable `code`.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use scenecast_scene::time::millis;

use super::misplaced::MisplacedRequests;

/// An HTTP error: what went wrong, and whether the caller should try again.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    /// For programs. A code never changes its meaning.
    pub code: &'static str,
    /// For people. Contains nothing that the caller sent.
    pub detail: String,
    /// How long to wait before another try, if another try can help.
    pub retry_after: Option<Duration>,
}

impl Problem {
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes other methods")
    }

    /// A problem without `Retry-After`: the same request would fail again.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    /// 400: the request doesn't have the form that this call expects.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// 503: this pod, or a server that it needs, can't answer now.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }

    /// `Retry-After` in whole seconds: rounded up, and at least 1.
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

/// Answers unknown paths with 404 and unknown methods with 405, both as problems. Tells the operator of those that belong to
/// another listener.
pub fn with_problems<S: Clone + Send + Sync + 'static>(routes: Router<S>, misplaced: &MisplacedRequests) -> Router<S> {
    let refuse = |problem: fn() -> Problem| {
        let misplaced = misplaced.clone();
        async move |request: Request| {
            misplaced.tell(request.uri(), request.extensions().get().copied());
            problem()
        }
    };
    routes.fallback(refuse(Problem::not_found)).method_not_allowed_fallback(refuse(Problem::method_not_allowed))
}
