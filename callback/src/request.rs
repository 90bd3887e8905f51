//! Reading requests, and why one of ours had no answer.

use std::error::Error;

use axum::http::HeaderMap;
use scenecast_shared::serve::Problem;
use serde::de::DeserializeOwned;

/// The body as JSON of this shape. The problem says where it is wrong, not what is there.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request(format!(
            "the body is not the JSON that this call takes (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

/// A header that is there once and is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Why a request of ours didn't come through: all causes, and no address, which may have a secret in it.
pub(crate) fn why_unsent(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
