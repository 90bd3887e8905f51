//! Logins through proxies that break transports: the page's module finds a transport that works.

use std::time::Duration;

use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_service::config::Seconds;
use scenecast_standalone::Standalone;
use scenecast_testing::{series_value, until};
use serde_json::json;

use super::{
    login_page::{ENGLISH, KEEP_STATUSES, redeemed, scan},
    proxy::{HttpFaultProxy, PageRequest, ProxyAction},
};
use crate::standalone;

use PageRequest::{Acknowledge, Open, Poll, Socket, Stream};

/// A standalone, a proxy with these rules before its gateway, and a login page that shows its code.
async fn start_behind_proxy(rules: fn(PageRequest, usize) -> ProxyAction) -> (Standalone, HttpFaultProxy, Browser) {
    let scenecast = standalone(Seconds::new(120)).await;
    let proxy = HttpFaultProxy::start(scenecast.gateway, rules).await;
    let host_rule = format!("MAP {} {}", scenecast.gateway, proxy.address);
    let browser = Browser::start_with(ScreenSize::Desktop, "en-US", &host_rule).await;
    browser.visit(scenecast.site.as_str()).await;
    browser.see("[data-view='waiting'] #qr").await;
    (scenecast, proxy, browser)
}

/// Waits until the page is connected by this transport.
async fn wait_for_transport(scenecast: &Standalone, transport: &str) {
    let line = format!("\nscenecast_connections_open{{transport=\"{transport}\"}} 1\n");
    let is_connected = async {
        while !scenecast.metrics.text().contains(&line) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_connected)
        .await
        .unwrap_or_else(|_| panic!("the page has no connection by {transport}"));
}

/// Scans, and checks that the page logs in: it shows each status once, and there is one hand-over and one redeem.
async fn assert_one_login(scenecast: &Standalone, browser: &Browser) {
    browser.run(KEEP_STATUSES).await;
    scan(browser).await;
    assert_eq!(redeemed(browser).await["account"], "demo");
    assert_eq!(browser.run("return window.statuses").await, json!(ENGLISH[1..]));
    for stage in ["confirmed", "handed_over", "redeemed"] {
        let series = format!("scenecast_scenes_total{{stage=\"{stage}\"}}");
        until(&series, async || series_value(&scenecast.metrics.text(), &series) == Some(1)).await;
    }
}

#[tokio::test]
async fn where_sockets_are_refused_a_stream_carries_the_login() {
    let (scenecast, proxy, browser) = start_behind_proxy(|request, _| match request {
        Socket => ProxyAction::Refuse,
        _ => ProxyAction::Pass,
    })
    .await;
    wait_for_transport(&scenecast, "sse").await;
    assert_one_login(&scenecast, &browser).await;
    assert_eq!(proxy.requests(), [Socket, Open, Stream, Acknowledge]);
}

#[tokio::test]
async fn where_sockets_open_and_stay_silent_a_stream_carries_the_login() {
    let (scenecast, proxy, browser) = start_behind_proxy(|request, _| match request {
        Socket => ProxyAction::Silence,
        _ => ProxyAction::Pass,
    })
    .await;
    wait_for_transport(&scenecast, "sse").await;
    assert_one_login(&scenecast, &browser).await;
    assert_eq!(proxy.requests(), [Socket, Open, Stream, Acknowledge]);
}

#[tokio::test]
async fn where_streams_are_buffered_polls_carry_the_login() {
    let (scenecast, proxy, browser) = start_behind_proxy(|request, _| match request {
        Socket => ProxyAction::Refuse,
        Stream => ProxyAction::Buffer,
        _ => ProxyAction::Pass,
    })
    .await;
    wait_for_transport(&scenecast, "poll").await;
    assert_one_login(&scenecast, &browser).await;
    assert_eq!(proxy.requests()[..4], [Socket, Open, Stream, Poll]);
    let later = proxy.requests().split_off(4);
    assert!(later.iter().all(|request| [Poll, Acknowledge].contains(request)), "{later:?}");
}

#[tokio::test]
async fn where_long_answers_are_cut_short_polls_carry_the_login() {
    let (scenecast, proxy, browser) = start_behind_proxy(|request, _| match request {
        Socket => ProxyAction::Refuse,
        _ => ProxyAction::CutAfter(Duration::from_secs(2)),
    })
    .await;
    wait_for_transport(&scenecast, "poll").await;
    assert_one_login(&scenecast, &browser).await;
    assert_eq!(proxy.requests()[..6], [Socket, Open, Stream, Stream, Stream, Poll], "a stream gets three attempts");
}

#[tokio::test]
async fn the_transport_that_worked_is_used_for_the_next_code() {
    let (scenecast, proxy, browser) = start_behind_proxy(|request, _| match request {
        Socket => ProxyAction::Refuse,
        _ => ProxyAction::Pass,
    })
    .await;
    wait_for_transport(&scenecast, "sse").await;
    browser.run("document.querySelector('scenecast-login').renew()").await;
    browser.see("[data-view='waiting'] #qr").await;
    wait_for_transport(&scenecast, "sse").await;
    assert_one_login(&scenecast, &browser).await;
    assert_eq!(proxy.requests(), [Socket, Open, Stream, Open, Stream, Acknowledge]);
}

#[tokio::test]
async fn a_page_keeps_its_transport_when_the_gateway_is_overloaded_or_restarts() {
    let (scenecast, proxy, browser) = start_behind_proxy(|request, nth| match (request, nth) {
        (Socket, _) => ProxyAction::Refuse,
        (Open | Stream, 0) => ProxyAction::Overload,
        (Stream, 1) => ProxyAction::Restart,
        _ => ProxyAction::Pass,
    })
    .await;
    wait_for_transport(&scenecast, "sse").await;
    assert_one_login(&scenecast, &browser).await;
    assert_eq!(proxy.requests(), [Socket, Open, Open, Stream, Stream, Stream, Acknowledge]);
}
