//! How long a page waits for the gateway on a slow network, and after an outage.

use scenecast_browsers::chromium::Browser;
use scenecast_testing::until;
use serde_json::{Value, json};

use super::scripted_gateway::{ScriptedConnection, ScriptedGateway, scripted_page};

/// Stops the clock by which the module measures: it shows `ahead`, in ms. Keeps in `waits` how long the module is ready to
/// wait for the gateway. Such a wait is over in a moment, unless it is the longest, or `isAnswered`.
const CLOCK: &str = r"
    Math.random = () => 0;
    window.ahead = 0;
    window.waits = [];
    window.requests = 0;
    performance.now = () => ahead;
    const { fetch, setTimeout } = window;
    window.fetch = (...request) => {
      requests += 1;
      return fetch(...request);
    };
    window.setTimeout = (act, ms) => {
      if (ms < 5_000) return setTimeout(act, ms / 10);
      if (ms === 20_000) window.requestsBeforeGrowth ??= requests;
      waits.push(ms);
      return setTimeout(act, ms > 32_000 || window.isAnswered ? 600_000 : 50);
    };
";
/// A network that carries no WebSocket, opens scenes, and is silent then until `answer` is called.
const ONLY_HTTP: &str = r#"
    window.WebSocket = undefined;
    window.fetch = async (url, { signal }) => {
      if (new URL(url).pathname.endsWith('/scenes')) {
        return Response.json({ scene: 's', key: 'k', expires_in: 120, code: '1234' });
      }
      await new Promise((resolve, reject) => {
        window.answer = resolve;
        signal.addEventListener('abort', () => reject(signal.reason));
      });
      const resumed = 'data: {"type":"resumed","state":"open","expires_in":100,"heartbeat":5}\n\n';
      const body = new ReadableStream({ start: (events) => events.enqueue(new TextEncoder().encode(resumed)) });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    };
"#;
const ONLY_POLLS: &str = "window.ReadableStream = undefined;";
const START: &str = "start('a');";

async fn page(script: &str) -> (Browser, ScriptedGateway) {
    let (browser, gateway) = scripted_page().await;
    browser.run(&[CLOCK, script].concat()).await;
    (browser, gateway)
}

/// A page with a scene, whose connection has broken.
async fn disconnected_page() -> (Browser, ScriptedGateway) {
    let (browser, mut gateway) = page("isAnswered = true; start('a');").await;
    let mut connection = gateway.connection().await;
    connection.send(opened()).await;
    assert_eq!(next_but_offline(&browser).await, "opened");
    browser.run("waits.length = 0; isAnswered = false;").await;
    connection.drop_without_close();
    (browser, gateway)
}

fn opened() -> Value {
    json!({ "type": "opened", "scene": "s", "key": "k", "expires_in": 120, "code": "1234", "heartbeat": 5 })
}

fn resumed() -> Value {
    json!({ "type": "resumed", "scene": "s", "state": "open", "expires_in": 100, "heartbeat": 5 })
}

/// The type of the next event that the module dispatches and that isn't about a lost connection.
async fn next_but_offline(browser: &Browser) -> String {
    loop {
        let event = browser.run_async("nextEvent(done)").await;
        if event[0] != "offline" {
            return event[0].as_str().expect("a type").to_owned();
        }
    }
}

async fn is_ready_to_wait(browser: &Browser, ms: u32) {
    until(&format!("the page is ready to wait for {ms} ms"), async || {
        browser.run(&format!("return waits.includes({ms})")).await == true
    })
    .await;
}

/// Sends this to the page's connection of the moment, and to those that it has left. Returns them when the page has it.
async fn answer_with(gateway: &mut ScriptedGateway, browser: &Browser, frame: Value) -> Vec<ScriptedConnection> {
    browser.run("isAnswered = true").await;
    let mut connections = vec![];
    let answered = async {
        loop {
            let mut connection = gateway.connection().await;
            connection.try_send(frame.clone()).await;
            connections.push(connection);
        }
    };
    tokio::select! {
        () = answered => {}
        _ = next_but_offline(browser) => {}
    }
    connections
}

/// How much silence the page accepts now, in ms.
async fn accepted_silence(browser: &Browser) -> Value {
    browser.run("return waits.at(-1)").await
}

/// The usual and the longest wait of a page with and without a scene, in ms.
const WITHOUT_SCENE: (u32, u32) = (8_000, 64_000);
const WITH_SCENE: (u32, u32) = (5_000, 40_000);

/// Checks that a page in its longest wait starts anew once its user comes back, or its network may be back.
async fn assert_looks_end_long_waits(browser: &Browser, (usual, longest): (u32, u32)) {
    const LOOKS: [&str; 6] = [
        "dispatchEvent(new Event('online'))",
        "dispatchEvent(new Event('focus'))",
        "dispatchEvent(new Event('pageshow'))",
        "document.dispatchEvent(new Event('visibilitychange'))",
        "document.dispatchEvent(new Event('resume'))",
        // The page stood still.
        "const { now } = Date; Date.now = () => now() + 60_000",
    ];
    for (nth, look) in LOOKS.into_iter().enumerate() {
        is_ready_to_wait(browser, longest).await;
        browser.run("waits.length = 0").await;
        // The attempt has already run for longer than on a usual network, or will have.
        let time_passes = format!("ahead += {usual}");
        let steps = if nth % 2 == 0 { [&time_passes, look] } else { [look, &time_passes] };
        for step in steps {
            browser.run(step).await;
        }
        is_ready_to_wait(browser, usual).await;
    }
}

#[tokio::test]
async fn after_an_outage_a_page_without_a_scene_connects_when_its_user_looks() {
    let (browser, _gateway) = page(START).await;
    assert_looks_end_long_waits(&browser, WITHOUT_SCENE).await;
}

#[tokio::test]
async fn after_an_outage_a_page_with_a_scene_connects_when_its_user_looks() {
    let (browser, _gateway) = disconnected_page().await;
    assert_looks_end_long_waits(&browser, WITH_SCENE).await;
}

#[tokio::test]
async fn after_an_outage_a_page_without_sockets_connects_when_its_user_looks() {
    for transport in ["", ONLY_POLLS] {
        let (browser, _gateway) = page(&[ONLY_HTTP, transport, START].concat()).await;
        assert_looks_end_long_waits(&browser, WITH_SCENE).await;
    }
}

#[tokio::test]
async fn between_two_connections_a_look_and_a_new_code_take_no_longer_than_usual() {
    for look in ["dispatchEvent(new Event('online'))", "attempt.renew()"] {
        // The delay doesn't end by itself, since the clock stands still.
        let (browser, _gateway) = page(&["Math.random = () => 1;", START].concat()).await;
        let offline = browser.run_async("nextEvent(done)").await;
        assert_eq!(offline, json!(["offline", { "retryIn": 1 }]));
        browser.run("waits.length = 0").await;
        browser.run(look).await;
        until("the page connects", async || browser.run("return waits.length > 0").await == true).await;
        assert_eq!(browser.run("return waits[0]").await, 8_000, "{look}");
    }
}

#[tokio::test]
async fn after_an_outage_a_page_notices_a_dead_connection_as_soon_as_before() {
    let (browser, mut gateway) = page(START).await;
    is_ready_to_wait(&browser, WITHOUT_SCENE.1).await;
    let _connections = answer_with(&mut gateway, &browser, opened()).await;
    assert_eq!(accepted_silence(&browser).await, 8_000);

    let (browser, mut gateway) = disconnected_page().await;
    is_ready_to_wait(&browser, WITH_SCENE.1).await;
    let _connections = answer_with(&mut gateway, &browser, resumed()).await;
    assert_eq!(accepted_silence(&browser).await, 8_000);

    let (browser, _gateway) = page(&[ONLY_HTTP, START].concat()).await;
    assert_eq!(next_but_offline(&browser).await, "opened");
    is_ready_to_wait(&browser, WITH_SCENE.1).await;
    browser.run("isAnswered = true; answer()").await;
    assert_eq!(next_but_offline(&browser).await, "online");
    assert_eq!(accepted_silence(&browser).await, 8_000);
}

#[tokio::test]
async fn a_page_takes_neither_wechats_time_nor_its_own_sleep_for_the_networks() {
    let (browser, mut gateway) = page(&["isAnswered = true;", START].concat()).await;
    for (took, silence) in [(4_000, 8_000), (3_600_000, 8_000), (8_000, 11_000)] {
        let mut connection = gateway.connection().await;
        browser.run(&format!("ahead += {took}")).await;
        connection.send(opened()).await;
        assert_eq!(next_but_offline(&browser).await, "opened");
        assert_eq!(accepted_silence(&browser).await, silence, "{took} ms");
        browser.run("attempt.renew()").await;
    }
}

#[tokio::test]
async fn one_late_answer_does_not_make_a_page_wait_longer_before_it_has_tried_each_transport() {
    let (browser, _gateway) = disconnected_page().await;
    is_ready_to_wait(&browser, 20_000).await;
    assert_eq!(browser.run("return requestsBeforeGrowth").await, 2, "for a stream, and a poll");
}
