//! `scenecast.js` against a scripted gateway that fails, restarts and refuses.

use std::time::{Duration, Instant};

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

async fn opened_page() -> (Browser, ScriptedGateway, ScriptedConnection) {
    opened_for(120).await
}

/// The first frame of a page in American English.
fn open() -> Value {
    json!({ "open": { "account": "demo", "state": "a", "locale": "en-US" } })
}

fn opened(seconds: u32) -> Value {
    let qr = json!({ "url": "https://qr.test/x", "svg": "<svg xmlns='http://www.w3.org/2000/svg'/>" });
    json!({ "type": "opened", "scene": "scene-1", "key": "key-1", "expires_in": seconds, "qr": qr })
}

fn resumed(state: &str) -> Value {
    json!({ "type": "resumed", "scene": "scene-1", "state": state, "expires_in": 100 })
}

fn scanned(seq: u64) -> Value {
    json!({ "type": "scanned", "seq": seq, "delivery": "d", "name": "Lin", "avatar": "data:," })
}

fn confirmed(seq: u64) -> Value {
    json!({ "type": "confirmed", "seq": seq, "delivery": "e", "name": "Lin", "avatar": "data:,", "grant": "g" })
}

fn problem(code: &str) -> Value {
    json!({ "type": "problem", "code": code, "detail": "what is wrong", "retry_after": 30 })
}

#[tokio::test]
async fn a_scene_is_opened_and_its_code_handed_over_as_a_picture() {
    let (browser, mut gateway) = scripted_page().await;
    browser.run("start('a')").await;
    let mut connection = gateway.connection().await;
    assert_eq!(connection.first, open());

    connection.send(opened(120)).await;
    let (event, detail) = next_event(&browser).await;
    assert_eq!(event, "opened");
    assert_eq!(detail["qr"]["url"], "https://qr.test/x");
    assert!(detail["qr"]["image"].as_str().unwrap().starts_with("data:image/svg+xml,"));
    assert!(!detail.to_string().contains("key-1"), "the key stays in the module");
    assert!(browser.run("return attempt.remaining").await.as_f64().unwrap() > 100.0);
}

#[tokio::test]
async fn a_code_may_be_a_mini_programs_or_be_typed() {
    let image = json!({ "image": "data:image/jpeg;base64,/9j/" });
    for (field, value, name) in [("mini_program", image, "miniProgram"), ("code", json!("48201937"), "code")] {
        let (browser, mut gateway) = scripted_page().await;
        browser.run("start('a')").await;
        let mut opened = json!({ "type": "opened", "scene": "scene-1", "key": "key-1", "expires_in": 120 });
        opened[field] = value.clone();
        gateway.connection().await.send(opened).await;
        let mut expected = json!({ "scene": "scene-1", "expiresIn": 120 });
        expected[name] = value;
        assert_eq!(next_event(&browser).await, ("opened".to_owned(), expected));
    }
}

#[tokio::test]
async fn a_page_is_told_the_number_to_show_and_whether_to_ask_before_it_goes_on() {
    let (browser, _gateway, mut connection) = opened_page().await;
    let mut scan = scanned(5);
    scan["number"] = json!(42);
    connection.send(scan).await;
    assert_eq!(next_event(&browser).await.1, json!({ "name": "Lin", "avatar": "data:,", "number": 42 }));
    let mut login = confirmed(9);
    login["typed"] = json!(true);
    connection.send(login).await;
    assert_eq!(next_event(&browser).await.1, json!({ "name": "Lin", "avatar": "data:,", "grant": "g", "typed": true }));
}

#[tokio::test]
async fn a_scene_is_opened_with_the_pages_language() {
    let (browser, mut gateway) = scripted_page().await;
    // A page whose connection is dropped comes back.
    let mut held = vec![];
    for (lang, sent) in
        [("zh-CN", json!("zh-CN")), ("", json!("en-US")), ("zh_TW.UTF-8", json!("zh-TW")), ("en US", json!(null))]
    {
        browser.run(&format!("document.documentElement.lang = '{lang}'; start('a')")).await;
        let connection = gateway.connection().await;
        assert_eq!(connection.first["open"]["locale"], sent, "{lang}");
        held.push(connection);
    }
}

#[tokio::test]
async fn a_lost_connection_is_resumed_and_repeats_are_dropped() {
    let (browser, mut gateway, mut connection) = opened_page().await;
    connection.send(scanned(5)).await;
    assert_eq!(next_event(&browser).await, ("scanned".to_owned(), json!({ "name": "Lin", "avatar": "data:," })));
    connection.drop_without_close();
    assert_eq!(next_event(&browser).await.0, "offline");

    let mut connection = gateway.connection().await;
    assert_eq!(connection.first, json!({ "resume": { "key": "key-1", "after": 5 } }));
    assert_eq!(connection.query, "heartbeat=1&locale=en-US", "the gateway keeps nothing of the page");
    connection.send(resumed("scanned")).await;
    connection.send(scanned(5)).await;
    connection.send(confirmed(9)).await;
    assert_eq!(next_event(&browser).await, ("online".to_owned(), json!({ "state": "scanned" })));
    let login = json!({ "name": "Lin", "avatar": "data:,", "grant": "g", "typed": false });
    assert_eq!(next_event(&browser).await, ("confirmed".to_owned(), login));
}

#[tokio::test]
async fn the_backoff_grows_to_a_cap_and_starts_again_after_an_answer() {
    let (browser, mut gateway, connection) = opened_page().await;
    // A hundredth of each pause, so that the cap is reached soon.
    browser.run("Math.random = () => 0.01").await;
    connection.drop_without_close();
    for retry_in in [0.01, 0.02, 0.04, 0.08, 0.15, 0.15] {
        assert_eq!(next_event(&browser).await, ("offline".to_owned(), json!({ "retryIn": retry_in })));
        gateway.connection().await.drop_without_close();
    }
    assert_eq!(next_event(&browser).await.0, "offline");

    let mut connection = gateway.connection().await;
    connection.send(resumed("open")).await;
    assert_eq!(next_event(&browser).await.0, "online");
    connection.drop_without_close();
    assert_eq!(next_event(&browser).await, ("offline".to_owned(), json!({ "retryIn": 0.01 })));
}

#[tokio::test]
async fn a_page_whose_connection_breaks_tries_again_within_a_second() {
    // A connection that has lived for ten seconds, and one that has just begun.
    for lived in [0, 11_000] {
        let (browser, mut gateway, connection) = opened_page().await;
        browser
            .run(&format!(
                "Math.random = () => 0.999; const {{ now }} = performance; \
                 performance.now = () => now.call(performance) + {lived}"
            ))
            .await;
        connection.drop_without_close();
        assert_eq!(next_event(&browser).await, ("offline".to_owned(), json!({ "retryIn": 0.999 })));
        assert_eq!(gateway.connection().await.first, json!({ "resume": { "key": "key-1", "after": 0 } }));
    }
}

#[tokio::test]
async fn a_page_is_told_of_trouble_behind_the_gateway_and_of_its_end() {
    let (browser, _gateway, mut connection) = opened_page().await;
    connection.send(json!({ "type": "trouble" })).await;
    assert_eq!(next_event(&browser).await, ("trouble".to_owned(), json!({})));
    connection.send(resumed("open")).await;
    assert_eq!(next_event(&browser).await, ("online".to_owned(), json!({ "state": "open" })));
    connection.send(confirmed(9)).await;
    assert_eq!(next_event(&browser).await.0, "confirmed");
}

#[tokio::test]
async fn a_page_reconnects_after_the_delay_that_a_restarting_gateway_sends() {
    let (browser, mut gateway, connection) = opened_page().await;
    browser.run("Math.random = () => 0").await;
    let left = Instant::now();
    connection.close(1012, "retry_after_ms=700").await;
    assert_eq!(next_event(&browser).await, ("offline".to_owned(), json!({ "retryIn": 0.7 })));

    let connection = gateway.connection().await;
    assert_eq!(connection.first, json!({ "resume": { "key": "key-1", "after": 0 } }));
    assert!(connection.at - left >= Duration::from_millis(700));
}

#[tokio::test]
async fn an_overloaded_gateway_is_asked_again_for_a_scene() {
    let (browser, mut gateway) = scripted_page().await;
    browser.run("start('a')").await;
    gateway.connection().await.close(1013, "retry_after_ms=50").await;
    assert_eq!(next_event(&browser).await, ("offline".to_owned(), json!({ "retryIn": 0.05 })));
    assert_eq!(gateway.connection().await.first, open());
}

#[tokio::test]
async fn after_a_dead_connection_a_page_still_waits_as_long_as_an_overloaded_gateway_says() {
    let (browser, mut gateway) = scripted_page().await;
    browser.run("start('a')").await;
    let mut silent = gateway.connection().await;
    let mut with_heartbeats = opened(120);
    with_heartbeats["heartbeat"] = json!(1);
    silent.send(with_heartbeats).await;
    assert_eq!(next_event(&browser).await.0, "opened");
    for _ in 0..2 {
        let connection = gateway.connection().await;
        assert_eq!(connection.first, json!({ "resume": { "key": "key-1", "after": 0 } }));
        connection.close(1013, "retry_after_ms=700").await;
        assert_eq!(next_event(&browser).await, ("offline".to_owned(), json!({ "retryIn": 0.7 })));
    }
}

#[tokio::test]
async fn a_violation_that_blocks_no_connection_leaves_the_page_its_socket() {
    /// The next socket breaks before it is open.
    const NEXT_BREAKS: &str = r"
        Math.random = () => 0;
        const { WebSocket } = window;
        window.WebSocket = class extends EventTarget {
          constructor() {
            super();
            window.WebSocket = WebSocket;
            setTimeout(() => this.dispatchEvent(new Event('error')));
          }
          close() {}
        };
    ";
    for (disposition, directive) in [("report", "connect-src"), ("enforce", "img-src")] {
        let (browser, mut gateway, connection) = opened_page().await;
        browser.run(NEXT_BREAKS).await;
        browser
            .run(&format!(
                "document.dispatchEvent(new SecurityPolicyViolationEvent('securitypolicyviolation', {{
                   blockedURI: `ws://${{location.host}}/v1/ws`, disposition: '{disposition}',
                   effectiveDirective: '{directive}', violatedDirective: '{directive}', documentURI: location.href,
                   originalPolicy: 'x', statusCode: 200 }}))"
            ))
            .await;
        connection.drop_without_close();
        for _ in 0..2 {
            assert_eq!(next_event(&browser).await.0, "offline", "{disposition} {directive}");
        }
        assert_eq!(gateway.connection().await.first, json!({ "resume": { "key": "key-1", "after": 0 } }));
    }
}

#[tokio::test]
async fn a_poll_passes_over_an_event_of_a_newer_gateway_once() {
    /// Leaves the module polls only, and answers them.
    const POLLS: &str = r"
        window.WebSocket = window.ReadableStream = undefined;
        window.asked = [];
        window.fetch = async (url, { headers }) => {
          window.language = headers['accept-language'];
          await new Promise((resolve) => setTimeout(resolve, 10));
          const { pathname, searchParams } = new URL(url);
          if (pathname.endsWith('/scenes')) {
            return Response.json({ scene: 'scene-1', key: 'key-1', expires_in: 120, code: '1' });
          }
          asked.push(searchParams.get('after'));
          if (asked.length > 2) return new Promise(() => {});
          const events = asked.length > 1 ? [] : [{ type: 'from_a_newer_gateway', seq: 7 }];
          return Response.json({ scene: 'scene-1', state: 'open', expires_in: 100, events });
        };
        start('a');
    ";
    let (browser, _gateway) = scripted_page().await;
    browser.run(POLLS).await;
    until("the page polls again", async || browser.run("return asked.length").await == 3).await;
    assert_eq!(browser.run("return asked").await, json!(["0", "7", "7"]));
    assert_eq!(browser.run("return language").await, "en-US", "the gateway keeps nothing of the page");
}

#[tokio::test]
async fn a_page_waits_for_a_short_retry_delay_and_reports_a_long_one_as_a_problem() {
    let (browser, mut gateway) = scripted_page().await;
    browser.run("start('a')").await;
    for (seconds, event) in [(5, "offline"), (600, "problem")] {
        let mut connection = gateway.connection().await;
        connection.send(json!({ "type": "problem", "code": "later", "detail": "…", "retry_after": seconds })).await;
        connection.close(1013, "retry_after_ms=50").await;
        assert_eq!(next_event(&browser).await.0, event);
    }
}

#[tokio::test]
async fn after_a_refusal_a_page_does_not_reconnect_by_itself() {
    let (browser, mut gateway) = scripted_page().await;
    // A reconnect would come at once, before the renewal below.
    browser.run("Math.random = () => 0; start('a')").await;
    for code in [1003, 1008, 1009] {
        let mut connection = gateway.connection().await;
        assert_eq!(connection.first, open());
        connection.send(opened(120)).await;
        assert_eq!(next_event(&browser).await.0, "opened");
        connection.send(problem("too_long")).await;
        connection.close(code, "policy").await;
        let expected = json!({ "code": "too_long", "detail": "what is wrong", "retryAfter": 30 });
        assert_eq!(next_event(&browser).await, ("problem".to_owned(), expected));
        browser.run("attempt.renew()").await;
    }
}

#[tokio::test]
async fn a_key_that_the_gateway_no_longer_accepts_means_expired() {
    for code in ["scene_expired", "key_invalid"] {
        let (browser, mut gateway, connection) = opened_page().await;
        connection.drop_without_close();
        assert_eq!(next_event(&browser).await.0, "offline");
        let mut connection = gateway.connection().await;
        connection.send(problem(code)).await;
        connection.close(1008, code).await;
        assert_eq!(next_event(&browser).await, ("expired".to_owned(), json!({})));
    }
}

#[tokio::test]
async fn each_end_is_dispatched_and_only_a_renewal_opens_another_scene() {
    let (browser, mut gateway) = scripted_page().await;
    browser.run("Math.random = () => 0; start('a')").await;
    for end in ["declined", "cancelled", "expired", "confirmed"] {
        let mut connection = gateway.connection().await;
        assert_eq!(connection.first, open());
        connection.send(opened(120)).await;
        assert_eq!(next_event(&browser).await.0, "opened");
        connection.send(json!({ "type": end, "seq": 1, "delivery": "d", "grant": "g" })).await;
        connection.close(1000, "").await;
        assert_eq!(next_event(&browser).await.0, end);
        browser.run("attempt.renew()").await;
    }
}

#[tokio::test]
async fn a_gateway_that_is_silent_when_the_scene_ends_counts_as_disconnected() {
    let (browser, mut gateway, _silent) = opened_for(1).await;
    assert_eq!(next_event(&browser).await.0, "offline");
    let mut connection = gateway.connection().await;
    assert_eq!(connection.first, json!({ "resume": { "key": "key-1", "after": 0 } }));
    connection.send(json!({ "type": "expired" })).await;
    assert_eq!(next_event(&browser).await.0, "expired");
}

#[tokio::test]
async fn cancelling_deletes_the_scene_with_its_key() {
    let (browser, mut gateway, _connection) = opened_page().await;
    browser.run("attempt.cancel()").await;
    assert_eq!(next_event(&browser).await, ("cancelled".to_owned(), json!({})));
    assert_eq!(gateway.cancelled().await, ("scene-1".to_owned(), "Bearer key-1".to_owned()));
}

#[tokio::test]
async fn a_hidden_page_opens_its_scene_when_it_becomes_visible() {
    let (browser, mut gateway) = scripted_page().await;
    browser.hide().await;
    browser.run("start('a')").await;
    // A request takes long enough for a connection to arrive, if the page made one.
    browser.run_async("fetch('/').then(() => done())").await;
    let visible_at = Instant::now();
    browser.unhide().await;
    assert!(gateway.connection().await.at > visible_at);
}

#[tokio::test]
async fn a_hidden_page_keeps_its_connection_and_is_not_renewed() {
    let (browser, mut gateway, mut connection) = opened_page().await;
    browser.hide().await;
    connection.send(json!({ "type": "expired" })).await;
    connection.close(1000, "").await;
    assert_eq!(next_event(&browser).await.0, "expired");
    browser.run("attempt.renew()").await;
    browser.run_async("fetch('/').then(() => done())").await;
    let visible_at = Instant::now();
    browser.unhide().await;
    assert!(gateway.connection().await.at > visible_at);
}
