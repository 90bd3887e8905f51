//! Connections that die in silence: nothing passes any more, and nobody closes them. A laptop slept, a phone's browser was
//! in the background, a firewall forgot the connection. New connections work.

use std::time::{Duration, Instant};

use scenecast_testing::{Direction, ProxyMode, until};

use super::bare_page::BarePage;

/// JavaScript that leaves the module this transport only.
const SOCKET: &str = "";
const STREAM: &str = "window.WebSocket = undefined";
const POLL: &str = "window.WebSocket = undefined; window.ReadableStream = undefined";

const HANDED_OVER: &str = "scenecast_scenes_total{stage=\"handed_over\"}";

/// How long after the death of its connection a page has its login: silence of 8 s, and a new connection.
const SOON: Duration = Duration::from_secs(12);
/// The same where the browser may first use other connections from its pool that have died, too.
const SOON_BY_HTTP: Duration = Duration::from_secs(24);

/// A page with a code, and the code's address.
async fn opened_page(transport: &str) -> (BarePage, String) {
    let page = BarePage::load().await;
    page.start(transport, "{}").await;
    let opened = page.event("opened").await;
    let url = opened["qr"]["url"].as_str().expect("a QR code").to_owned();
    (page, url)
}

/// Waits until the page has a connection of this kind.
async fn connected(page: &BarePage, kind: &str) {
    let series = format!("scenecast_connections_open{{transport=\"{kind}\"}}");
    until("the page is connected", async || page.metric(&series) == 1).await;
}

async fn assert_a_login_arrives_after_death(transport: &str, kind: &str, soon: Duration) {
    // The connection dies before the scan, and between scan and confirmation.
    for is_scanned_before in [false, true] {
        let (page, url) = opened_page(transport).await;
        connected(&page, kind).await;
        if is_scanned_before {
            page.scan(&url).await;
            page.event("scanned").await;
        }
        page.proxy.stall();
        let dead = Instant::now();
        if !is_scanned_before {
            page.scan(&url).await;
        }
        page.confirm().await;
        assert_eq!(page.metric(HANDED_OVER), 0, "nobody has it yet");
        page.confirmed_within(soon.saturating_sub(dead.elapsed())).await;
        until("the page acknowledges it", async || page.metric(HANDED_OVER) == 1).await;
    }
}

#[tokio::test]
async fn a_page_whose_socket_died_gets_its_login() {
    assert_a_login_arrives_after_death(SOCKET, "websocket", SOON).await;
}

#[tokio::test]
async fn a_page_whose_stream_died_gets_its_login() {
    assert_a_login_arrives_after_death(STREAM, "sse", SOON_BY_HTTP).await;
}

#[tokio::test]
async fn a_page_whose_poll_died_gets_its_login() {
    assert_a_login_arrives_after_death(POLL, "poll", SOON_BY_HTTP).await;
}

#[tokio::test]
async fn a_page_whose_socket_died_in_one_direction_gets_its_login() {
    for direction in [Direction::ToClient, Direction::ToServer] {
        let (page, url) = opened_page(SOCKET).await;
        page.proxy.set_mode(direction, ProxyMode::Swallow);
        page.scan(&url).await;
        page.confirm().await;
        if direction == Direction::ToClient {
            let seen = page.proxy.connections();
            until("the page tries to connect", async || page.proxy.connections() > seen).await;
            assert_eq!(page.metric(HANDED_OVER), 0);
            page.proxy.set_mode(direction, ProxyMode::Pass);
        }
        page.confirmed_within(SOON_BY_HTTP).await;
    }
}

#[tokio::test]
async fn a_page_whose_socket_died_before_it_got_a_code_shows_one() {
    let page = BarePage::load().await;
    page.proxy.set_mode(Direction::ToClient, ProxyMode::Swallow);
    let before = page.proxy.connections();
    page.start(SOCKET, "{}").await;
    until("the socket is on its way", async || page.proxy.connections() > before).await;
    page.proxy.stall();
    page.proxy.set_mode(Direction::ToClient, ProxyMode::Pass);
    let opened = page.event("opened").await;
    page.scan(opened["qr"]["url"].as_str().expect("a QR code")).await;
    page.event("scanned").await;
    page.confirm().await;
    page.event("confirmed").await;
}

#[tokio::test]
async fn a_page_that_its_user_comes_back_to_looks_at_its_connection_at_once() {
    for event in ["document.dispatchEvent(new Event('visibilitychange'))", "dispatchEvent(new Event('online'))"] {
        let (page, url) = opened_page(SOCKET).await;
        page.scan(&url).await;
        page.event("scanned").await;
        page.proxy.stall();
        page.confirm().await;
        page.browser.run(event).await;
        page.confirmed_within(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn a_page_whose_connection_works_keeps_it() {
    for (transport, kind) in [(SOCKET, "websocket"), (STREAM, "sse")] {
        let (page, _) = opened_page(transport).await;
        connected(&page, kind).await;
        let connections = page.proxy.connections();
        for _ in 0..4 {
            page.browser.run("dispatchEvent(new Event('focus'))").await;
            // Longer than any silence that a page accepts, all in all.
            page.browser.run_async("setTimeout(done, 3000)").await;
        }
        let closed = page.metric(&format!("scenecast_connections_closed_total{{end=\"gone\",transport=\"{kind}\"}}"));
        assert_eq!((page.proxy.connections(), closed), (connections, 0), "{kind}");
        assert!(!page.has("offline").await);
    }
}
