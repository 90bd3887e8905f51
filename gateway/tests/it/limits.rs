//! Past its limits a gateway says so in whatever way was asked, and its held pages lose nothing.

use scenecast_loadtest::visitor::{Said, Visitor};
use tokio::task::JoinSet;

use super::*;

/// Two browsers' addresses, as the ingress tells them.
const ANN: &str = "203.0.113.1";
const BOB: &str = "203.0.113.2";

impl World {
    async fn page_from(&self, client: &str) -> Page {
        Page::connect_for(client.parse().unwrap(), &self.address.to_string(), ORIGIN).await.unwrap()
    }

    fn request_from(&self, client: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request(method, path).header("x-forwarded-for", client)
    }

    fn turned_away(&self, why: &str) -> u64 {
        self.metric(&format!("turned_away_total{{why=\"{why}\"}}"))
    }
}

/// This page has to be told to come back, for that reason.
async fn comes_back(page: &mut Page, code: &str) {
    let problem = frame(page).await;
    assert_eq!((problem.kind.as_str(), problem.code.as_str()), ("problem", code));
    assert!(problem.retry_after > 0, "{problem:?}");
    let Heard::Closed(1013, reason) = hear(page).await else { panic!("{problem:?}") };
    assert!(reason.starts_with("retry_after_ms="), "{reason}");
}

/// So has whoever made this request.
async fn is_refused(request: reqwest::RequestBuilder, status: u16, code: &str) {
    let response = request.send().await.unwrap();
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN, "the page may read why");
    http::problem(&(response.status().as_u16(), response.json().await.unwrap()), status, code);
}

#[tokio::test]
async fn an_address_has_so_many_sockets_of_all_kinds_together() {
    let world = World::with(Bus::memory(), Limits { sockets_per_address: 3, ..Limits::default() }).await;
    let scene = world.scene().await;
    let ask = |client, path: &str| world.request_from(client, Method::GET, path).bearer_auth(&scene.key);
    let mut socket = world.page_from(ANN).await;
    socket.resume(&scene.key, 0).await.unwrap();
    frame(&mut socket).await;
    let mut stream = Stream::of(ask(ANN, &format!("{}/events", scene.path()))).await;
    stream.event("resumed").await;
    let polling = tokio::spawn(ask(ANN, &format!("{}?wait=30", scene.path())).send());
    until("it polls", async || world.metric("connections_open{transport=\"poll\"}") == 1).await;

    comes_back(&mut world.page_from(ANN).await, "too_many_sockets").await;
    is_refused(ask(ANN, &scene.path()), 429, "too_many_sockets").await;
    assert_eq!(world.turned_away("sockets"), 2);
    let elsewhere = ask(BOB, &format!("{}?wait=0", scene.path())).send().await.unwrap();
    assert_eq!(elsewhere.status(), 200);

    world.settle(&scene, log_in(&scene)).await;
    assert_eq!(frame(&mut socket).await.kind, "confirmed");
    stream.event("confirmed").await;
    assert_eq!(polling.await.unwrap().unwrap().status(), 200);
    let another = world.scene().await;
    let again = async || {
        let mut page = world.page_from(ANN).await;
        page.resume(&another.key, 0).await.unwrap();
        frame(&mut page).await.kind == "resumed"
    };
    until("their places are given back", again).await;
}

#[tokio::test]
async fn an_address_opens_so_many_scenes_in_a_minute() {
    let limits = Limits { scenes_per_address: 4, ..Limits::default() };
    let world = World::compatible(Bus::memory(), limits, compatible::all()).await;
    let open = |client| world.request_from(client, Method::POST, "/v1/scenes").body("{\"account\":\"demo\"}");
    let get = |path| world.request_from(ANN, Method::GET, path);
    for _ in 0..4 {
        is_refused(open(ANN), 503, "callback_unavailable").await;
    }
    is_refused(open(ANN), 429, "too_many_scenes").await;
    let mut page = world.page_from(ANN).await;
    page.open("demo", None).await.unwrap();
    comes_back(&mut page, "too_many_scenes").await;
    for path in ["/login/code", "/createQrCode"] {
        let answer = get(path).send().await.unwrap();
        assert_eq!(answer.status(), 429, "{path}");
        assert!(answer.text().await.unwrap().contains("too many scenes"), "{path}: in the page's own envelope");
    }
    assert_eq!(world.turned_away("scenes"), 4);
    is_refused(open(BOB), 503, "callback_unavailable").await;
    let mut held = world.page_from(ANN).await;
    held.resume(&world.scene().await.key, 0).await.unwrap();
    assert_eq!(frame(&mut held).await.kind, "resumed", "what is open goes on");
}

#[tokio::test]
async fn an_address_asks_so_much_in_a_minute() {
    let limits = Limits { requests_per_address: 2, ..Limits::default() };
    let world = World::compatible(Bus::memory(), limits, compatible::all()).await;
    let get = |client, path| world.request_from(client, Method::GET, path);
    for path in ["/wxLogin?ticket=t", "/wx/result/7"] {
        assert!(get(ANN, path).send().await.unwrap().status().is_success());
    }
    is_refused(get(ANN, "/v1/scenes/x"), 429, "too_many_requests").await;
    for path in ["/wxLogin?ticket=t", "/createQrCode", "/login/code"] {
        let answer = get(ANN, path).send().await.unwrap();
        assert_eq!(answer.status(), 429, "{path}");
        assert!(answer.text().await.unwrap().contains("asks too often"), "{path}: in the page's own envelope");
    }
    comes_back(&mut world.page_from(ANN).await, "too_many_requests").await;
    assert_eq!(world.turned_away("requests"), 5);
    assert!(get(BOB, "/wxLogin?ticket=t").send().await.unwrap().status().is_success());
    let module = get(ANN, "/v1/scenecast.js").send().await.unwrap();
    assert_eq!(module.status(), 200, "what says so to the page");
}

#[tokio::test]
async fn a_gateway_takes_so_many_new_connections_in_a_second() {
    let world = World::with(Bus::memory(), Limits { connections_per_second: 2, ..Limits::default() }).await;
    let scene = world.scene().await;
    let mut held = world.page().await;
    held.resume(&scene.key, 0).await.unwrap();
    frame(&mut held).await;
    let mut told = 0;
    for _ in 0..5 {
        let mut page = world.page().await;
        page.resume(&scene.key, 0).await.unwrap();
        if frame(&mut page).await.kind == "problem" {
            assert!(matches!(hear(&mut page).await, Heard::Closed(1013, _)));
            told += 1;
        }
    }
    assert!(told > 0 && told == world.turned_away("connects"), "{told}");
    world.settle(&scene, log_in(&scene)).await;
    assert_eq!(frame(&mut held).await.kind, "confirmed");
}

#[tokio::test]
async fn all_listeners_for_browsers_share_one_room() {
    let world = World::compatible(Bus::memory(), Limits::new(1.try_into().unwrap()), compatible::all()).await;
    let mut held = world.page().await;
    held.resume(&world.scene().await.key, 0).await.unwrap();
    frame(&mut held).await;
    let on_open = format!("ws://{}/", world.on_open.unwrap());
    let mut crowded = Visitor::default().connect(&on_open).await.unwrap();
    assert_eq!(crowded.hear().await, Said::Closed(1013));
    assert_eq!(world.turned_away("connections"), 1);
}

#[tokio::test]
async fn pages_that_are_kept_waiting_keep_nobody_from_being_told() {
    let world = World::compatible(Bus::memory(), Limits::new(1.try_into().unwrap()), compatible::all()).await;
    let scene = world.scene().await;
    let mut held = world.page().await;
    held.resume(&scene.key, 0).await.unwrap();
    frame(&mut held).await;
    // More than are told at a time.
    let mut waiting = JoinSet::new();
    for _ in 0..300 {
        waiting.spawn(world.request(Method::GET, "/subscribe?id=1234").send());
    }
    until("all wait", async || world.turned_away("connections") == 300).await;
    comes_back(&mut world.page().await, "crowded").await;
    world.settle(&scene, log_in(&scene)).await;
    assert_eq!(frame(&mut held).await.kind, "confirmed");
    assert!(waiting.try_join_next().is_none(), "they come back at once, and so are kept");
    for told in waiting.join_all().await {
        assert_eq!(told.unwrap().status(), 204);
    }
    assert_eq!(world.turned_away("unheard"), 0);
}
