//! The demo site, asked as browsers ask it.

use axum::{body::Body, http::Request};
use tower::ServiceExt;

use super::*;

async fn ask(request: axum::http::request::Builder, body: &str) -> Response {
    let config = SiteConfig {
        gateway: "http://127.0.0.1:9001".parse().unwrap(),
        callback_internal: "http://127.0.0.1:1".parse().unwrap(),
        api_key: "key".into(),
        accounts: ["demo", "personal"].map(|name| name.parse().unwrap()).into(),
        simulated_phones: Some("http://127.0.0.1:9002".parse().unwrap()),
    };
    site(config).oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

fn log_in() -> axum::http::request::Builder {
    Request::post("/session").header("host", "site.test").header("content-type", "application/json")
}

const GRANT: &str = r#"{"grant":"g"}"#;

#[tokio::test]
async fn the_page_starts_a_session_that_scripts_cannot_read() {
    let response = ask(Request::get("/"), "").await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let kept = ask(Request::get("/").header("cookie", cookie), "").await;
    assert!(!kept.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn the_page_runs_its_own_scripts_and_the_gateways_only() {
    let response = ask(Request::get("/"), "").await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self' http://127.0.0.1:9001;"), "{policy}");
    assert!(policy.contains("connect-src 'self' http://127.0.0.1:9001 ws://127.0.0.1:9001;"), "{policy}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
}

async fn config(query: &str) -> (StatusCode, Value) {
    let response = ask(Request::get(format!("/config.json{query}")).header("cookie", "session=5e55"), "").await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn the_page_logs_in_with_the_account_that_its_visitor_chose() {
    for (query, account) in [("", "demo"), ("?account=demo", "demo"), ("?account=personal&x=1", "personal")] {
        let (status, config) = config(query).await;
        assert_eq!((status, &config["account"]), (StatusCode::OK, &json!(account)), "{query}");
        assert_eq!(config["simulatedPhone"], format!("http://127.0.0.1:9002/phone/{account}"));
    }
    for query in ["?account=", "?account=other", "?account=..%2Fq", "?account=demo&account=personal", "?account=%ff"] {
        let (status, problem) = config(query).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("account_unknown")), "{query}");
    }
}

#[tokio::test]
async fn the_state_belongs_to_the_session_and_does_not_reveal_it() {
    let (_, config) = config("").await;
    assert_eq!(config["state"], BrowserSession("5e55".to_owned()).state());
    assert_ne!(config["state"], BrowserSession("5e56".to_owned()).state());
    assert!(!config.to_string().contains("5e55"));
}

#[tokio::test]
async fn a_login_without_session_or_from_elsewhere_is_refused() {
    let own = "http://site.test";
    for (request, status) in [
        (log_in().header("origin", own), StatusCode::UNAUTHORIZED),
        (log_in().header("cookie", "session=5e55"), StatusCode::FORBIDDEN),
        (log_in().header("cookie", "session=5e55").header("origin", "http://evil.test"), StatusCode::FORBIDDEN),
        (log_in().header("cookie", "session=5e55").header("origin", "null"), StatusCode::FORBIDDEN),
    ] {
        assert_eq!(ask(request, GRANT).await.status(), status);
    }
}

#[tokio::test]
async fn a_login_with_an_unknown_account_is_refused() {
    let request = log_in().header("cookie", "session=5e55").header("origin", "http://site.test");
    let response = ask(request, r#"{"account":"classic","grant":"g"}"#).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn while_the_callback_is_away_the_page_is_told_to_come_back() {
    let request = log_in().header("cookie", "session=5e55").header("origin", "http://site.test");
    let response = ask(request, GRANT).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
}
