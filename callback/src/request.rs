//! Reading HTTP requests, and the text of a failed request of ours.

use std::error::Error;

use axum::http::HeaderMap;
use scenecast_service::http::Problem;
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

/// Why a request of ours failed: the texts of all causes, without the address, which may hold a secret.
pub(crate) fn transport_error(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
