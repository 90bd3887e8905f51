//! The answers of callbacks, and the secrets that no answer may show.

use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::{AES_KEY, API_KEY, INTERNAL, OTHER_KEY, SECRET, TOKEN};

/// The secrets, without the simulator's access tokens.
const SECRETS: [&str; 6] = [SECRET, TOKEN, AES_KEY, INTERNAL, API_KEY, OTHER_KEY];

/// Checks that the text has no secret.
#[track_caller]
pub(crate) fn assert_no_secrets(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} shows");
    }
    // Any id may begin with these three characters, but only an access token is so long.
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'));
    assert!(!words.any(|word| word.starts_with("97_") && word.len() > 100), "an access token shows");
}

/// The answer's JSON. Checks that it has this status and shows no secret.
pub(crate) async fn answer(response: Response, status: StatusCode) -> Value {
    let (is, body) = (response.status(), response.text().await.unwrap());
    assert_eq!(is, status, "{body}");
    assert_no_secrets(&body);
    serde_json::from_str(&body).unwrap_or_default()
}

/// The problem's code. Checks that the answer is a problem with this status.
pub(crate) async fn problem(response: Response, status: StatusCode) -> String {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem = answer(response, status).await;
    assert_eq!(problem["status"], status.as_u16());
    problem["code"].as_str().unwrap().to_owned()
}
