//! What callbacks answer, and what no answer may show.

use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::{AES_KEY, API_KEY, INTERNAL, OTHER_KEY, SECRET, TOKEN};

/// What nobody may be shown, beside the simulator's access tokens.
const UNSPEAKABLE: [&str; 6] = [SECRET, TOKEN, AES_KEY, INTERNAL, API_KEY, OTHER_KEY];

/// Nothing in it is a secret.
#[track_caller]
pub(crate) fn assert_speakable(text: &str) {
    for secret in UNSPEAKABLE {
        assert!(!text.contains(secret), "{secret} shows");
    }
    // Any id may have these three characters; none but a token is as long.
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'));
    assert!(!words.any(|word| word.starts_with("97_") && word.len() > 100), "an access token shows");
}

/// The answer's JSON; it has this status, and shows no secret.
pub(crate) async fn answer(response: Response, status: StatusCode) -> Value {
    let (is, body) = (response.status(), response.text().await.unwrap());
    assert_eq!(is, status, "{body}");
    assert_speakable(&body);
    serde_json::from_str(&body).unwrap_or_default()
}

/// The problem's code; it has this status, and the form that problems have.
pub(crate) async fn problem(response: Response, status: StatusCode) -> String {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem = answer(response, status).await;
    assert_eq!(problem["status"], status.as_u16());
    problem["code"].as_str().unwrap().to_owned()
}
