//! The mini program of `deploy/miniprogram`: its login page's JavaScript in a real browser, with stand-ins for the few
//! functions of WeChat that it calls, against a real callback.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path as Segment, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use reqwest::StatusCode as Status;
use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_callback::config::Confirmation;
use scenecast_scene::{EventKind, SceneId, internal::OPEN_PATH};
use scenecast_simulator::Simulator;
use serde_json::json;

use crate::world::{CallbackWorld, LIFE, answer, name, new_scene, opening, person};

/// What WeChat gives a mini program's page: modules, `Page`, `getApp`, `wx`. A tap is a call of the
/// function that the page's template binds.
const WECHAT: &str = r"<!doctype html><meta charset=utf-8><body>…<script>
  const language = new URLSearchParams(location.search).get('language') || 'en';
  const scene = new URLSearchParams(location.search).get('scene') || undefined;
  const wx = {
    getAppBaseInfo: () => ({ language }),
    login: ({ success, fail }) =>
      fetch('/js-code').then(async (answer) => success({ code: await answer.text() })).catch(fail),
    request: ({ url, method, header, data, success, fail }) =>
      fetch(url, { method, headers: header, body: JSON.stringify(data) })
        .then(async (answer) => success({ statusCode: answer.status, data: await answer.json() })).catch(fail),
  };
  const getApp = () => ({ globalData: { callback: '', account: 'mini' } });
  const load = async (file, module, require) =>
    new Function('module', 'require', await (await fetch(file)).text())(module, require);
  const Page = (options) => {
    window.page = options;
    options.setData = (changes) => {
      Object.assign(options.data, changes);
      document.body.dataset.view = options.data.view;
      document.body.innerText = options.data.message || '…';
    };
  };
  const texts = {};
  load('/texts.js', texts)
    .then(() => load('/login.js', {}, () => texts.exports))
    .then(() => page.onLoad({ scene }));
</script>";

/// A phone that opens the page.
#[derive(Clone)]
struct Phone {
    simulator: Simulator,
    callback: SocketAddr,
    http: reqwest::Client,
    /// So many answers get lost on their way to the phone.
    lose: Arc<AtomicU32>,
}

impl Phone {
    /// A phone in this world, and the address of its page.
    async fn of(world: &CallbackWorld) -> (Self, SocketAddr) {
        let phone = Self {
            simulator: world.simulator.clone(),
            callback: world.pod().public,
            http: world.http.clone(),
            lose: Arc::default(),
        };
        let routes = Router::new()
            .route("/", get(|| async { Html(WECHAT) }))
            .route("/{file}", get(source))
            .route("/js-code", get(js_code))
            .route("/v1/miniapp/{call}", post(forward))
            .with_state(phone.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (phone, address)
    }
}

async fn source(Segment(file): Segment<String>) -> Response {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/miniprogram/pages/login");
    match std::fs::read_to_string(page.join(file)) {
        Ok(source) => ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], source).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn js_code(State(phone): State<Phone>) -> String {
    phone.simulator.wx_login(&person("chen"), &name("mini")).unwrap()
}

async fn forward(State(phone): State<Phone>, Segment(call): Segment<String>, body: Bytes) -> Response {
    let url = format!("http://{}/v1/miniapp/{call}", phone.callback);
    let answer = phone.http.post(url).body(body).send().await.unwrap();
    let (status, body) = (answer.status(), answer.bytes().await.unwrap());
    if phone.lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        return (StatusCode::BAD_GATEWAY, "not json").into_response();
    }
    (status, body).into_response()
}

async fn that_asks(confirmation: Confirmation) -> CallbackWorld {
    CallbackWorld::with(None, |settings| {
        settings.mini_programs.get_mut(&name("mini")).unwrap().confirmation = confirmation;
    })
    .await
}

async fn open(world: &CallbackWorld) -> SceneId {
    let scene = new_scene("mini");
    let mut asked = opening(scene, "mini", LIFE);
    asked["page"] = json!({ "host": "shop.example.com", "browser": "Chrome, Windows" });
    answer(world.call(world.pod(), OPEN_PATH, &asked).await, Status::OK).await;
    scene
}

const TAP: &str = "page.confirm({ currentTarget: { dataset: {} } })";

#[tokio::test]
async fn the_page_shows_the_login_asks_and_shows_the_result() {
    let world = that_asks(Confirmation::Tap).await;
    let (phone, address) = Phone::of(&world).await;
    let browser = Browser::start(ScreenSize::Phone, "en-US").await;
    for (language, question, unknown, act, state, ended) in [
        ("en", "Log in on this page?", "unknown", TAP, "confirmed", "You are logged in. Please go back to the page."),
        ("zh_CN", "确认登录此网页？", "未知", "page.decline()", "declined", "已拒绝登录。"),
    ] {
        let scene = open(&world).await;
        // The first answers of both calls get lost. The page repeats the calls, which changes nothing.
        phone.lose.store(1, Ordering::Relaxed);
        browser.visit(&format!("http://{address}/?scene={scene}&language={language}")).await;
        assert_eq!(browser.text("[data-view='ask']").await, question);
        let facts = browser.run("return page.data.facts.map(({ value }) => value)").await;
        assert_eq!(facts, json!(["Example Shop", "shop.example.com", unknown, "Chrome, Windows"]));
        phone.lose.store(1, Ordering::Relaxed);
        browser.run(act).await;
        assert_eq!(browser.text("[data-view='end']").await, ended);
        assert_eq!(world.reader().read(scene).await.unwrap().unwrap().state.to_string(), state);
        assert_eq!(world.events(scene).await.len(), 2);
    }
}

#[tokio::test]
async fn the_page_offers_the_numbers_to_pick_from() {
    let world = that_asks(Confirmation::Number).await;
    let (_, address) = Phone::of(&world).await;
    let browser = Browser::start(ScreenSize::Phone, "en-US").await;
    let scene = open(&world).await;
    browser.visit(&format!("http://{address}/?scene={scene}")).await;
    assert_eq!(browser.text("[data-view='pick']").await, "Which number does the page show?");
    let EventKind::Scanned(told) = &world.events(scene).await[0].what.clone() else { panic!("no scan") };
    let shown = u8::from(told.number.unwrap());
    let at = format!("page.data.choices.indexOf({shown})");
    assert!(browser.run(&format!("return {at}")).await.as_i64().unwrap() >= 0);
    browser
        .run(&format!("page.confirm({{ currentTarget: {{ dataset: {{ number: page.data.choices[{at}] }} }} }})"))
        .await;
    assert_eq!(browser.text("[data-view='end']").await, "You are logged in. Please go back to the page.");
}

#[tokio::test]
async fn the_page_says_why_there_is_no_login() {
    let world = that_asks(Confirmation::Tap).await;
    let (_, address) = Phone::of(&world).await;
    let browser = Browser::start(ScreenSize::Phone, "en-US").await;
    for (query, said) in [
        (String::new(), "Please scan the code on the page that you want to log in to."),
        ("?scene=a%253D1%2526b".to_owned(), "This code is unknown. Please get a new one on the page."),
        (format!("?scene={}", new_scene("mini")), "This code is unknown. Please get a new one on the page."),
    ] {
        browser.visit(&format!("http://{address}/{query}")).await;
        assert_eq!(browser.text("[data-view='end']").await, said, "{query}");
    }
}
