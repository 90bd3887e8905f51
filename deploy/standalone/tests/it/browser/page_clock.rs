//! Pages whose clock is set while somebody logs in, and pages on slow networks.

use std::time::Duration;

use scenecast_browsers::chromium::Browser;
use scenecast_testing::until;
use serde_json::{Value, json};

use super::scripted_gateway::{ScriptedConnection, ScriptedGateway, next_event, scripted_page};

/// A page with an open scene that lasts so many seconds.
async fn opened_for(seconds: u32) -> (Browser, ScriptedGateway, ScriptedConnection) {
    let (browser, mut gateway) = scripted_page().await;
    browser.run("start('a')").await;
    let mut connection = gateway.connection().await;
    connection.send(opened(seconds)).await;
    assert_eq!(next_event(&browser).await.0, "opened");
    (browser, gateway, connection)
}

fn opened(seconds: u32) -> Value {
    json!({ "type": "opened", "scene": "scene-1", "key": "key-1", "expires_in": seconds, "code": "1234" })
}

fn resume() -> Value {
    json!({ "resume": { "key": "key-1", "after": 0 } })
}

async fn set_clock(browser: &Browser, hours: i32) {
    browser.run(&format!("const {{ now }} = Date; Date.now = () => now() + {hours} * 3600e3")).await;
}

#[tokio::test]
async fn a_page_whose_clock_is_set_still_comes_back_to_its_scene() {
    for hours in [-1, 1] {
        let (browser, mut gateway, connection) = opened_for(120).await;
        set_clock(&browser, hours).await;
        let remaining = browser.run("return attempt.remaining").await.as_f64().expect("a number");
        assert!((60.0..=120.0).contains(&remaining), "{remaining}");
        connection.drop_without_close();
        assert_eq!(next_event(&browser).await.0, "offline");
        assert_eq!(gateway.connection().await.first, resume());
    }
}

#[tokio::test]
async fn a_page_whose_clock_is_set_back_asks_the_gateway_at_the_end_of_its_scene() {
    let (browser, mut gateway, _silent) = opened_for(1).await;
    set_clock(&browser, -1).await;
    let mut connection = gateway.connection().await;
    assert_eq!(connection.first, resume());
    connection.send(json!({ "type": "expired" })).await;
    assert_eq!(next_event(&browser).await.0, "offline");
    assert_eq!(next_event(&browser).await.0, "expired");
}

#[tokio::test]
async fn a_page_whose_clock_is_set_back_goes_on_polling() {
    /// Leaves the module polls only, and sets the clock back while one is on its way.
    const POLLS: &str = r"
        window.WebSocket = window.ReadableStream = undefined;
        window.asked = 0;
        const { now } = Date;
        window.fetch = async (url) => {
          if (new URL(url).pathname.endsWith('/scenes')) {
            return Response.json({ scene: 'scene-1', key: 'key-1', expires_in: 120, code: '1' });
          }
          asked += 1;
          Date.now = () => now() - asked * 3600e3;
          return Response.json({ scene: 'scene-1', state: 'open', expires_in: 100, events: [] });
        };
        start('a');
    ";
    let (browser, _gateway) = scripted_page().await;
    browser.run(POLLS).await;
    until("the page polls again", async || browser.run("return asked >= 3").await == true).await;
}

#[tokio::test]
async fn a_page_on_a_slow_network_waits_longer_each_time() {
    /// Keeps how long the module is ready to wait for a scene, and waits a moment instead.
    const SHORTEN: &str = r"
        window.waits = [];
        const { setTimeout } = window;
        window.setTimeout = (act, ms) => {
          if (ms < 8_000) return setTimeout(act, ms / 10);
          waits.push(ms);
          return setTimeout(act, 300);
        };
        start('a');
    ";
    let (browser, mut gateway) = scripted_page().await;
    browser.run(SHORTEN).await;
    until("the page has reached its longest wait", async || {
        browser.run("return waits.filter((ms) => ms === 64_000).length > 1").await == true
    })
    .await;
    let waits = browser.run("return [...new Set(waits)]").await;
    assert_eq!(waits, json!([8_000, 32_000, 64_000]));
    // Once the network is fast again, the page doesn't wait as long any more.
    let answered = async {
        loop {
            gateway.connection().await.try_send(opened(120)).await;
        }
    };
    tokio::select! {
        () = answered => {}
        (event, _) = opened_event(&browser) => assert_eq!(event, "opened"),
    }
    browser.run("waits.length = 0; attempt.renew()").await;
    until("the page waits for another scene", async || browser.run("return waits[0] ?? 0").await == 8_000).await;
}

/// The next event that isn't about a lost connection.
async fn opened_event(browser: &Browser) -> (String, Value) {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), next_event(browser)).await.expect("an event");
        if event.0 != "offline" {
            return event;
        }
    }
}
