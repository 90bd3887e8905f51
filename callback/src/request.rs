//! Reading HTTP requests, and the error of a request of ours.

use std::{error::Error, fmt, sync::Arc};

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

/// A request of ours that had no answer. Its text has the texts of all causes, without the address, which may hold a
/// secret.
#[derive(Debug, Clone)]
pub(crate) struct TransportError(Arc<reqwest::Error>);

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self(Arc::new(error.without_url()))
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// Two are the same if they say the same.
impl PartialEq for TransportError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for TransportError {}
