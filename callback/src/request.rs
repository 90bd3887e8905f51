//! Reading HTTP requests, and their spans.

use axum::http::HeaderMap;
use scenecast_scene::SceneId;
use scenecast_service::http::Problem;
use scenecast_traces::{LoginSpan, ServedRequest};
use serde::de::DeserializeOwned;

/// Reads the body as JSON of this shape. The problem says where the body is wrong, and repeats nothing of it.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request(format!(
            "the body is not the JSON that this call takes (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

/// The value of a header, if the header occurs once and is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The header with a W3C trace context.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The span of a request about this scene from outside.
pub(crate) fn public_span(scene: SceneId, request: &ServedRequest<'_>, headers: &HeaderMap) -> LoginSpan {
    let span = LoginSpan::of_public_request(scene, request);
    if span.is_traced() {
        span.link(header(headers, TRACEPARENT));
    }
    span
}
