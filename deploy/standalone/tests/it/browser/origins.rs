//! Pages whose origin the gateway doesn't know, and pages with monitoring scripts.

use std::time::Duration;

use super::{bare_page::BarePage, scripted_gateway::ScriptedGateway};

const NO_SOCKET: &str = "window.WebSocket = undefined";
const POLLS: &str = "window.WebSocket = window.ReadableStream = undefined";

#[tokio::test]
async fn a_page_of_a_forbidden_origin_is_told_so_by_each_transport() {
    let page = BarePage::load().await;
    // Another port is another origin.
    let elsewhere = ScriptedGateway::start().await;
    page.browser.visit(&elsewhere.page).await;
    page.prepare().await;
    for transport in ["", NO_SOCKET, POLLS] {
        page.start(transport, "{}").await;
        let problem = tokio::time::timeout(Duration::from_secs(5), page.event("problem")).await.expect(transport);
        assert_eq!(problem["code"], "origin_forbidden", "{transport}: {problem}");
        assert!(!page.has("offline").await, "{transport}");
    }
    page.assert_no_faults().await;
}

#[tokio::test]
async fn a_page_whose_scripts_add_headers_to_each_request_logs_in_and_cancels() {
    let monitored = "
        const { fetch } = window;
        const added = { baggage: 'a=b', 'sentry-trace': '1-2', traceparent: '00-1-2-01', 'x-datadog-trace-id': '1' };
        window.fetch = (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...added } });";
    for transport in [NO_SOCKET, POLLS] {
        let page = BarePage::load().await;
        page.start(&format!("{transport}; {monitored}"), "{}").await;
        let opened = tokio::time::timeout(Duration::from_secs(5), page.event("opened")).await.expect(transport);
        page.scan(opened["qr"]["url"].as_str().expect("a QR code")).await;
        page.event("scanned").await;
        page.browser.run("attempt.cancel()").await;
        let cancelled = "scenecast_scenes_total{stage=\"cancelled\"}";
        scenecast_testing::until("the scene is cancelled", async || page.metric(cancelled) == 1).await;
        page.assert_no_faults().await;
    }
}
