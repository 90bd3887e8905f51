//! Beyond its limits, a gateway refuses requests in the form that the client expects, and its pages lose nothing.

use std::time::SystemTime;

use reqwest::{Method, RequestBuilder, header::HeaderValue};
use scenecast_browsers::{
    cookie_browser::{CookieBrowser, SocketMessage},
    login_page::LoginPage,
};
use scenecast_gateway::config::GatewayLimits;
use scenecast_testing::until;
use tokio::task::JoinSet;

use crate::fixtures::{
    EventStream, GatewayWorld, LIFE, ORIGIN, Scene, assert_problem, frame, log_in, reconnect_delay_ms, send,
};

/// The addresses of two browsers, as the ingress forwards them.
const ANN: &str = "203.0.113.1";
const BOB: &str = "203.0.113.2";

impl GatewayWorld {
    async fn page_from(&self, client: &str) -> LoginPage {
        LoginPage::connect_for(client.parse().unwrap(), &self.address.to_string(), ORIGIN).await.unwrap()
    }

    fn request_from(&self, client: &str, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("x-forwarded-for", client)
    }

    fn rejections(&self, reason: &str) -> u64 {
        self.metric(&format!("turned_away_total{{why=\"{reason}\"}}"))
    }
}

/// The page has to be refused with this code, and told to come back.
async fn assert_page_refused(page: &mut LoginPage, code: &str) {
    let problem = frame(page).await;
    assert_eq!((problem.kind.as_str(), problem.code.as_str()), ("problem", code));
    assert!(problem.retry_after > 0, "{problem:?}");
    reconnect_delay_ms(page, 1013).await;
}

/// The request has to be refused so, and told to come back.
async fn assert_request_refused(request: RequestBuilder, status: u16, code: &str) {
    let response = request.send().await.unwrap();
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN, "the page may read the problem");
    assert_problem(&(response.status().as_u16(), response.json().await.unwrap()), status, code);
}

#[tokio::test]
async fn an_address_is_limited_in_its_sockets_streams_and_polls_together() {
    let world = GatewayWorld::with_limits(GatewayLimits { sockets_per_address: 3, ..GatewayLimits::default() }).await;
    let scene = world.scene().await;
    let ask = |client, path: &str| world.request_from(client, Method::GET, path).bearer_auth(&scene.key);
    let mut socket = world.page_from(ANN).await;
    socket.resume(&scene.key, 0).await.unwrap();
    frame(&mut socket).await;
    let mut stream = EventStream::answering(ask(ANN, &format!("{}/events", scene.path()))).await;
    stream.event("resumed").await;
    let polling = tokio::spawn(ask(ANN, &format!("{}?wait=30", scene.path())).send());
    world.metric_is("connections_open{transport=\"poll\"}", 1).await;

    assert_page_refused(&mut world.page_from(ANN).await, "too_many_sockets").await;
    assert_request_refused(ask(ANN, &scene.path()), 429, "too_many_sockets").await;
    assert_eq!(world.rejections("sockets"), 2);
    let elsewhere = ask(BOB, &format!("{}?wait=0", scene.path())).send().await.unwrap();
    assert_eq!(elsewhere.status(), 200);

    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    assert_eq!(frame(&mut socket).await.kind, "confirmed");
    stream.event("confirmed").await;
    assert_eq!(polling.await.unwrap().unwrap().status(), 200);
    let another = world.scene().await;
    let again = async || {
        let mut page = world.page_from(ANN).await;
        page.resume(&another.key, 0).await.unwrap();
        frame(&mut page).await.kind == "resumed"
    };
    until("the address may connect again", again).await;
}

#[tokio::test]
async fn an_address_is_limited_in_the_scenes_that_it_opens() {
    let limits = GatewayLimits { scenes_per_address: 4, ..GatewayLimits::default() };
    let world = GatewayWorld::compatible_with_limits(limits).await;
    let open = |client| world.request_from(client, Method::POST, "/v1/scenes").body("{\"account\":\"demo\"}");
    let get = |path| world.request_from(ANN, Method::GET, path);
    let opens = |outcome| world.metric(&format!("opens_total{{outcome=\"{outcome}\"}}"));
    assert_eq!(opens("callback_unavailable"), 0, "there from the start, so that alerts see the first as an increase");
    for _ in 0..4 {
        assert_request_refused(open(ANN), 503, "callback_unavailable").await;
    }
    assert_request_refused(open(ANN), 429, "too_many_scenes").await;
    let mut page = world.page_from(ANN).await;
    page.open("demo", None).await.unwrap();
    assert_page_refused(&mut page, "too_many_scenes").await;
    for path in ["/login/code", "/createQrCode"] {
        let answer = get(path).send().await.unwrap();
        assert_eq!(answer.status(), 429, "{path}");
        assert!(answer.text().await.unwrap().contains("too many scenes"), "{path}: in the page's own envelope");
    }
    assert_eq!(world.rejections("scenes"), 4);
    assert_eq!((opens("callback_unavailable"), opens("too_many_scenes")), (4, 4), "by whichever way a page asks");
    assert_request_refused(open(BOB), 503, "callback_unavailable").await;
    let mut page = world.page_from(ANN).await;
    page.resume(&world.scene().await.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "resumed", "a scene that is open goes on");
}

#[tokio::test]
async fn clients_whose_address_cant_be_read_are_limited_as_one() {
    let limits = GatewayLimits { scenes_per_address: 3, sockets_per_address: 2, ..GatewayLimits::default() };
    let world = GatewayWorld::compatible_with_limits(limits).await;
    let from = |client: &[u8], method, path: &str| {
        let client = HeaderValue::from_bytes(client).unwrap();
        world.request(method, path).header("x-forwarded-for", client).body("{\"account\":\"demo\"}")
    };
    for client in [&b"unknown"[..], b"\xff", b"6.6.6.6, _hidden"] {
        assert_request_refused(from(client, Method::POST, "/v1/scenes"), 503, "callback_unavailable").await;
    }
    assert_request_refused(from(b"1.2.3.4:x", Method::POST, "/v1/scenes"), 429, "too_many_scenes").await;
    assert_eq!(from(b"", Method::GET, "/createQrCode").send().await.unwrap().status(), 429);
    assert_request_refused(from(b"\xff, 203.0.113.1", Method::POST, "/v1/scenes"), 503, "callback_unavailable").await;

    let scene = world.scene().await;
    let poll = |client: &[u8]| from(client, Method::GET, &format!("{}?wait=30", scene.path())).bearer_auth(&scene.key);
    let waiting = [&b"unknown"[..], b"\xff"].map(|client| tokio::spawn(poll(client).send()));
    world.metric_is("connections_open{transport=\"poll\"}", 2).await;
    assert_request_refused(poll(b"nobody"), 429, "too_many_sockets").await;
    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_scene_that_redis_lost_waits_once_however_often_its_page_asks() {
    let world = GatewayWorld::with_limits(GatewayLimits::new(8.try_into().unwrap())).await;
    let lost = Scene::issue(LIFE, SystemTime::now());
    for _ in 0..100 {
        assert_eq!(world.scene_request(&lost, "?wait=0").send().await.unwrap().status(), 200);
    }
    assert_eq!(world.metric("scenes_lost_total"), 1);
    for _ in 1..256 {
        let other = Scene::issue(LIFE, SystemTime::now());
        assert_eq!(world.scene_request(&other, "?wait=0").send().await.unwrap().status(), 200);
    }
    assert_eq!((world.metric("scenes_lost_total"), world.rejections("reopening")), (256, 0));
    let one_more = Scene::issue(LIFE, SystemTime::now());
    assert_request_refused(world.scene_request(&one_more, "?wait=0"), 503, "callback_unavailable").await;
    assert_eq!((world.metric("scenes_lost_total"), world.rejections("reopening")), (256, 1));
    assert_eq!(world.scene_request(&lost, "?wait=0").send().await.unwrap().status(), 200, "it waits already");
}

#[tokio::test]
async fn a_scene_that_was_never_stored_is_not_lost_and_an_address_can_have_only_so_many_opened() {
    let limits = GatewayLimits { scenes_per_address: 4, ..GatewayLimits::default() };
    let world = GatewayWorld::compatible_with_limits(limits).await;
    for _ in 0..8 {
        let browser = CookieBrowser::default();
        // It gets a cookie with a key, and no code, since no callback answers.
        assert_eq!(browser.get(&world.url("/wx/qrcode/7?cookie=waited3")).await.status(), 503);
        for _ in 0..3 {
            let result = browser.send(world.request_from(ANN, Method::GET, "/wx/result/7")).await;
            assert_eq!(result.status(), 204);
        }
    }
    assert_eq!(world.metric("scenes_lost_total"), 0);
    assert_eq!(world.metric("scenes_total{stage=\"opened\"}"), 4);
    assert_eq!(world.rejections("scenes"), 12, "each poll of the other four");
}

#[tokio::test]
async fn an_address_is_limited_in_its_requests() {
    let limits = GatewayLimits { requests_per_address: 2, ..GatewayLimits::default() };
    let world = GatewayWorld::compatible_with_limits(limits).await;
    let get = |client, path| world.request_from(client, Method::GET, path);
    for path in ["/wxLogin?ticket=t", "/wx/result/7"] {
        assert!(get(ANN, path).send().await.unwrap().status().is_success());
    }
    assert_request_refused(get(ANN, "/v1/scenes/x"), 429, "too_many_requests").await;
    for path in ["/wxLogin?ticket=t", "/createQrCode", "/login/code"] {
        let answer = get(ANN, path).send().await.unwrap();
        assert_eq!(answer.status(), 429, "{path}");
        assert!(answer.text().await.unwrap().contains("asks too often"), "{path}: in the page's own envelope");
    }
    assert_page_refused(&mut world.page_from(ANN).await, "too_many_requests").await;
    assert_eq!(world.rejections("requests"), 5);
    assert!(get(BOB, "/wxLogin?ticket=t").send().await.unwrap().status().is_success());
    let module = get(ANN, "/v1/scenecast.js").send().await.unwrap();
    assert_eq!(module.status(), 200, "the module is not limited");
}

#[tokio::test]
async fn a_gateway_is_limited_in_new_connections_a_second() {
    let world =
        GatewayWorld::with_limits(GatewayLimits { connections_per_second: 2, ..GatewayLimits::default() }).await;
    let scene = world.scene().await;
    let mut held = world.page_of(&scene).await;
    let mut refused = 0;
    for _ in 0..5 {
        let mut page = world.page().await;
        page.resume(&scene.key, 0).await.unwrap();
        if frame(&mut page).await.kind == "problem" {
            reconnect_delay_ms(&mut page, 1013).await;
            refused += 1;
        }
    }
    assert!(refused > 0 && refused == world.rejections("connects"), "{refused}");
    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    assert_eq!(frame(&mut held).await.kind, "confirmed");
}

#[tokio::test]
async fn all_listeners_for_browsers_share_one_connection_limit() {
    let world = GatewayWorld::compatible_with_one_connection().await;
    let _held = world.page_of(&world.scene().await).await;
    let qr_on_open = format!("ws://{}/", world.qr_on_open.unwrap());
    let mut refused = CookieBrowser::default().connect(&qr_on_open).await.unwrap();
    assert_eq!(refused.next_message().await, SocketMessage::Closed(1013));
    assert_eq!(world.rejections("connections"), 1);
}

#[tokio::test]
async fn pages_whose_refusal_is_delayed_do_not_delay_the_refusal_of_others() {
    let world = GatewayWorld::compatible_with_one_connection().await;
    let scene = world.scene().await;
    let mut held = world.page_of(&scene).await;
    // More than the gateway refuses at a time.
    let mut waiting = JoinSet::new();
    for _ in 0..300 {
        waiting.spawn(world.request(Method::GET, "/subscribe?id=1234").send());
    }
    world.metric_is("turned_away_total{why=\"connections\"}", 300).await;
    assert_page_refused(&mut world.page().await, "crowded").await;
    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    assert_eq!(frame(&mut held).await.kind, "confirmed");
    assert!(waiting.try_join_next().is_none(), "these pages come back at once, so their answers are delayed");
    for answer in waiting.join_all().await {
        assert_eq!(answer.unwrap().status(), 204);
    }
    assert_eq!(world.rejections("unheard"), 0);
}

#[tokio::test]
async fn a_page_with_many_cookies_is_served_and_one_with_too_many_may_read_why_not() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let poll = |cookies: usize| {
        let poll = world.request(Method::GET, &format!("{}?wait=0", scene.path())).bearer_auth(&scene.key);
        (0..cookies).fold(poll, |poll, _| poll.header("cookie", format!("c={}", "x".repeat(4000))))
    };
    assert_eq!(poll(15).send().await.unwrap().status(), 200);
    let refused = poll(17).send().await.unwrap();
    assert_eq!(refused.headers()["access-control-allow-origin"], ORIGIN, "the page may read the problem");
    assert_problem(&(refused.status().as_u16(), refused.json().await.unwrap()), 431, "headers_too_large");
    assert_eq!(world.metric("bad_requests_total{why=\"head_too_large\"}"), 1);
    let headers = (0..201).fold(poll(0), |poll, n| poll.header(format!("x-{n}"), "y"));
    assert_problem(&send(headers).await, 431, "headers_too_large");
}

#[tokio::test]
async fn a_full_gateway_is_alive_and_ready_for_those_who_probe_its_ports() {
    let world = GatewayWorld::compatible_with_one_connection().await;
    let scene = world.scene().await;
    let _only = world.page_of(&scene).await;
    assert_request_refused(world.request(Method::GET, &scene.path()), 503, "crowded").await;
    let public = format!("http://{}", world.address);
    let on_open = format!("http://{}", world.qr_on_open.unwrap());
    let probe = async |method: Method, address: &str, path: &str| {
        let probe = reqwest::Client::new().request(method, format!("{address}{path}"));
        probe.header("origin", "https://elsewhere.example").send().await.unwrap().status()
    };
    for address in [&public, &on_open] {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(probe(Method::GET, address, path).await, 200, "{address}{path}");
            assert_eq!(probe(Method::HEAD, address, path).await, 200, "{address}{path}");
        }
    }
}
