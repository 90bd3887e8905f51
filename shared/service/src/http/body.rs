//! Reads request bodies within limits of size and time.

use std::time::Duration;

use axum::{body::Body, http::StatusCode};
use bytes::Bytes;

use crate::http::problem::Problem;

const BODY_TIMEOUT: Duration = Duration::from_secs(4);

/// Reads the whole body. The problem is 413 if it has more than `max_bytes`, 408 if it takes more than 4 s, and 400 if it
/// is cut short.
pub async fn read_body(body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, max_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body has more than {max_bytes} bytes"),
        )),
        Ok(Err(_)) => Err(Problem::bad_request("the body was cut short")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body took too long")),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}
