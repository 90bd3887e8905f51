//! A login through proxies that break what carries it: the page's module finds what gets through.

use std::time::Duration;

use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_service::config::Seconds;
use scenecast_standalone::Standalone;
use serde_json::json;

use super::{
    login_page::{ENGLISH, KEEP_STATUSES, redeemed, scan},
    proxy::{Asked, Proxy, Way},
};
use crate::standalone;

use Asked::{Open, Poll, Socket, Stream};

/// A login page whose gateway is behind such a proxy.
async fn behind(rules: fn(Asked, usize) -> Way) -> (Standalone, Proxy, Browser) {
    let scenecast = standalone(Seconds::new(120)).await;
    let proxy = Proxy::start(scenecast.gateway, rules).await;
    let detour = format!("MAP {} {}", scenecast.gateway, proxy.address);
    let browser = Browser::start_with(ScreenSize::Desktop, "en-US", &detour).await;
    browser.visit(scenecast.site.as_str()).await;
    browser.see("[data-view='waiting'] #qr").await;
    (scenecast, proxy, browser)
}

/// Waits until this transport holds the page.
async fn held_by(scenecast: &Standalone, transport: &str) {
    let line = format!("\nscenecast_connections_open{{transport=\"{transport}\"}} 1\n");
    let held = async {
        while !scenecast.metrics.text().contains(&line) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), held).await.unwrap_or_else(|_| panic!("not held by {transport}"));
}

/// Scans, and sees the page log in: each status once, one hand-over, one redeem.
async fn logs_in_once(scenecast: &Standalone, browser: &Browser) {
    browser.run(KEEP_STATUSES).await;
    scan(browser).await;
    assert_eq!(redeemed(browser).await["account"], "demo");
    assert_eq!(browser.run("return window.statuses").await, json!(ENGLISH[1..]));
    let metrics = scenecast.metrics.text();
    for stage in ["confirmed", "handed_over", "redeemed"] {
        assert!(metrics.contains(&format!("\nscenecast_scenes_total{{stage=\"{stage}\"}} 1\n")), "{stage}: {metrics}");
    }
}

#[tokio::test]
async fn where_sockets_are_refused_a_stream_carries_the_login() {
    let (scenecast, proxy, browser) = behind(|asked, _| match asked {
        Socket => Way::Refused,
        _ => Way::Passed,
    })
    .await;
    held_by(&scenecast, "sse").await;
    logs_in_once(&scenecast, &browser).await;
    assert_eq!(proxy.asked(), [Socket, Open, Stream]);
}

#[tokio::test]
async fn where_sockets_open_and_stay_silent_a_stream_carries_the_login() {
    let (scenecast, proxy, browser) = behind(|asked, _| match asked {
        Socket => Way::Silent,
        _ => Way::Passed,
    })
    .await;
    held_by(&scenecast, "sse").await;
    logs_in_once(&scenecast, &browser).await;
    assert_eq!(proxy.asked(), [Socket, Open, Stream]);
}

#[tokio::test]
async fn where_streams_are_held_back_polls_carry_the_login() {
    let (scenecast, proxy, browser) = behind(|asked, _| match asked {
        Socket => Way::Refused,
        Stream => Way::HeldBack,
        _ => Way::Passed,
    })
    .await;
    held_by(&scenecast, "poll").await;
    logs_in_once(&scenecast, &browser).await;
    assert_eq!(proxy.asked()[..4], [Socket, Open, Stream, Poll]);
    assert!(proxy.asked()[4..].iter().all(|asked| *asked == Poll), "{:?}", proxy.asked());
}

#[tokio::test]
async fn where_long_answers_are_cut_short_polls_carry_the_login() {
    let (scenecast, proxy, browser) = behind(|asked, _| match asked {
        Socket => Way::Refused,
        _ => Way::Cut(Duration::from_secs(2)),
    })
    .await;
    held_by(&scenecast, "poll").await;
    logs_in_once(&scenecast, &browser).await;
    assert_eq!(proxy.asked()[..6], [Socket, Open, Stream, Stream, Stream, Poll], "a stream gets three chances");
}

#[tokio::test]
async fn what_worked_is_kept_for_the_next_code() {
    let (scenecast, proxy, browser) = behind(|asked, _| match asked {
        Socket => Way::Refused,
        _ => Way::Passed,
    })
    .await;
    held_by(&scenecast, "sse").await;
    browser.run("document.querySelector('#renew').click()").await;
    browser.see("[data-view='waiting'] #qr").await;
    held_by(&scenecast, "sse").await;
    logs_in_once(&scenecast, &browser).await;
    assert_eq!(proxy.asked(), [Socket, Open, Stream, Open, Stream]);
}

#[tokio::test]
async fn a_gateway_that_sheds_load_or_leaves_is_asked_again_in_the_same_way() {
    let (scenecast, proxy, browser) = behind(|asked, nth| match (asked, nth) {
        (Socket, _) => Way::Refused,
        (Open | Stream, 0) => Way::Crowded,
        (Stream, 1) => Way::Moved,
        _ => Way::Passed,
    })
    .await;
    held_by(&scenecast, "sse").await;
    logs_in_once(&scenecast, &browser).await;
    assert_eq!(proxy.asked(), [Socket, Open, Open, Stream, Stream, Stream]);
}
