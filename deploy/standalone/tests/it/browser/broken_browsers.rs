//! Browsers and pages that lack what the module uses, or where it throws. The module uses the next transport at once, or
//! says that there is none. A fault never stays unheard.

use std::time::Duration;

use serde_json::json;

use super::{bare_page::BarePage, scripted_gateway::ScriptedGateway};
use scenecast_browsers::chromium::{Browser, ScreenSize};

/// Within this time a page has its code if it uses the next transport at once. A silent socket would take 8 s.
const AT_ONCE: Duration = Duration::from_secs(7);

const NO_FETCH: &str = "window.fetch = undefined";
const THROWING_FETCH: &str = "window.fetch = () => { throw new TypeError('fetch') }";
const NO_SOCKET: &str = "window.WebSocket = undefined";
const THROWING_SOCKET: &str =
    "window.WebSocket = class { constructor() { throw new DOMException('x', 'SecurityError') } }";
const NO_STREAMS: &str = "window.ReadableStream = undefined";
const NO_BODY: &str = "delete Response.prototype.body";
const NO_STORAGE: &str =
    "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('x', 'SecurityError') } })";
const NO_CRYPTO: &str = "Object.defineProperty(window, 'crypto', { get() { throw new Error('x') } })";

/// JavaScript that gives the page a content security policy.
fn policy(connect_src: &str) -> String {
    format!(
        "document.head.append(Object.assign(document.createElement('meta'), {{ \
           httpEquiv: 'Content-Security-Policy', content: 'connect-src {connect_src}' }}))"
    )
}

/// Loads a page that is broken in this way, and checks that somebody can log in.
async fn assert_logs_in(broken: &str, options: &str) {
    let page = BarePage::load().await;
    page.start(broken, options).await;
    let opened = tokio::time::timeout(AT_ONCE, page.event("opened")).await.expect(broken);
    page.scan(opened["qr"]["url"].as_str().expect("a QR code")).await;
    page.event("scanned").await;
    page.confirm().await;
    page.event("confirmed").await;
    page.assert_no_faults().await;
}

#[tokio::test]
async fn without_sockets_the_next_transport_is_used_at_once() {
    for broken in [NO_SOCKET, THROWING_SOCKET, &policy("http:")] {
        assert_logs_in(broken, "{}").await;
    }
}

#[tokio::test]
async fn without_streams_polls_are_used_at_once() {
    for missing in [NO_STREAMS, NO_BODY] {
        assert_logs_in(&format!("{NO_SOCKET}; {missing}"), "{}").await;
    }
}

#[tokio::test]
async fn a_socket_needs_nothing_else() {
    for broken in [NO_FETCH, THROWING_FETCH, NO_STREAMS, NO_CRYPTO, &policy("ws:")] {
        assert_logs_in(broken, "{}").await;
    }
    assert_logs_in(NO_STORAGE, "{ keepOnReload: true }").await;
}

#[tokio::test]
async fn a_page_without_any_transport_is_told_so() {
    for broken in [
        format!("{NO_SOCKET}; {NO_FETCH}"),
        format!("{NO_SOCKET}; {THROWING_FETCH}"),
        format!("{THROWING_SOCKET}; {THROWING_FETCH}"),
        policy("\\'none\\'"),
    ] {
        let page = BarePage::load().await;
        page.start(&broken, "{}").await;
        let problem = tokio::time::timeout(AT_ONCE, page.event("problem")).await.expect(&broken);
        assert_eq!(problem["code"], "browser_unsupported", "{broken}");
        page.assert_no_faults().await;
    }
}

#[tokio::test]
async fn a_socket_that_speaks_something_else_is_given_up_at_once() {
    let mut gateway = ScriptedGateway::start().await;
    let browser = Browser::start(ScreenSize::Desktop, "en-US").await;
    for first in [
        "hello",
        "",
        "null",
        "[]",
        "7",
        "\"opened\"",
        "{}",
        r#"{"type":"heartbeat"}"#,
        r#"{"type":"hello"}"#,
        r#"{"type":"scanned","seq":1}"#,
        r#"{"type":"resumed","state":"open"}"#,
        r#"{"type":"opened"}"#,
        r#"{"type":"opened","scene":"s","key":"k","expires_in":"soon","code":"1"}"#,
        r#"{"type":"opened","scene":"s","key":"k","expires_in":120}"#,
        r#"{"type":"opened","scene":"s","key":"k","expires_in":120,"qr":{"url":"u"}}"#,
        r#"{"type":"opened","scene":1,"key":"k","expires_in":120,"code":"1"}"#,
    ] {
        browser.visit(&gateway.page).await;
        browser.see("#ready").await;
        browser
            .run("window.faults = []; addEventListener('unhandledrejection', (e) => faults.push(String(e.reason)))")
            .await;
        browser.run("start('a')").await;
        let mut connection = gateway.connection().await;
        connection.send_text(first).await;
        let asked = tokio::time::timeout(AT_ONCE, gateway.asked_for_scene()).await;
        asked.unwrap_or_else(|_| panic!("the next transport comes at once after {first}"));
        assert_eq!(browser.run("return faults").await, json!([]), "{first}");
    }
}
