//! Reading request bodies within limits.

use std::time::Duration;

use axum::{body::Body, http::StatusCode};
use bytes::Bytes;

use crate::http::problem::Problem;

/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(4);

/// The whole body, of at most this many bytes.
pub async fn read_body(body: Body, at_most: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_LIMIT, axum::body::to_bytes(body, at_most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if too_long(&error) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body has more than {at_most} bytes"),
        )),
        Ok(Err(_)) => Err(Problem::bad_request("the body was cut short")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body took too long")),
    }
}

fn too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}
