//! The pages themselves in a real browser. nginx serves them as files, and proxies their requests to the gateways.

use std::path::Path;

use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_loadtest::cluster::Ingress;

use super::*;

/// The only persona whose name WeChat still tells.
const ANN: &str = "Ann";

/// Where a page shows who is logged in.
const WHO: &str = "#who:not([hidden])";

struct CompatibleWorld {
    cluster: Cluster,
    ingress: Ingress,
    browser: Browser,
}

impl CompatibleWorld {
    async fn new() -> Self {
        Self::with(Setup { gateways: 2, callbacks: 2, ..Setup::default() }).await
    }

    async fn with(setup: Setup) -> Self {
        let cluster = Cluster::start_as(setup).await;
        let ingress = cluster.ingress(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages")).await;
        let browser = Browser::start(ScreenSize::Desktop, "zh-CN").await;
        Self { cluster, ingress, browser }
    }

    async fn visit(&self, page: &str) {
        self.browser.visit(&self.ingress.url(page)).await;
    }

    /// Scans the code that the page shows.
    async fn scan(&self, who: &str) {
        let content = read_code(&self.browser.picture("#code[data-drawn]").await);
        let shown = content.expect("the page shows a code that a phone can read");
        self.phone(who, Shown::Qr(shown)).await;
    }

    async fn phone(&self, who: &str, shown: Shown) {
        let done = Phone::before(&self.cluster, shown).log_in(&WeChatUser::persona(who).unwrap()).await;
        assert!(done.unwrap().is_login());
    }

    /// A `data-` attribute beside the name that the page shows.
    async fn data(&self, name: &str) -> Value {
        self.browser.run(&format!("return document.getElementById('who').dataset.{name}")).await
    }
}

#[tokio::test]
async fn a_page_with_a_path_socket_gets_a_name() {
    let world = CompatibleWorld::new().await;
    world.visit("path-socket.html").await;
    world.browser.click("#sign-in").await;
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
}

#[tokio::test]
async fn a_picture_and_a_path_socket_that_start_at_once_share_a_scene() {
    let world = CompatibleWorld::new().await;
    // Several times, because either request can be first.
    for _ in 0..5 {
        world.visit("path-socket.html?at-once").await;
        world.scan("ann").await;
        assert_eq!(world.browser.text(WHO).await, ANN);
        // The page's id is the second, so with its cookie the next page could be taken for the same one.
        world.browser.forget_cookies().await;
    }
}

#[tokio::test]
async fn a_page_that_polls_for_a_result_gets_a_grant_in_place_of_an_openid() {
    let world = CompatibleWorld::new().await;
    world.visit("path-result.html").await;
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
    let user: Value = serde_json::from_str(world.data("user").await.as_str().unwrap()).unwrap();
    assert_eq!(user["phoneIme"].as_str().unwrap().len(), 43, "{user}");
}

#[tokio::test]
async fn a_page_with_a_client_id_socket_gets_the_user() {
    let world = CompatibleWorld::new().await;
    world.visit("client-id-socket.html").await;
    let code = read_code(&world.browser.picture("#code[data-drawn]").await).unwrap();
    world.phone("ann", Shown::MiniProgram(code)).await;
    assert!(!world.browser.text(WHO).await.is_empty());
    let user: Value = serde_json::from_str(world.data("user").await.as_str().unwrap()).unwrap();
    assert_eq!((&user["openid"], user["grant"].as_str().unwrap().len()), (&user["grant"], 43), "{user}");
}

#[tokio::test]
async fn a_code_and_a_client_id_socket_that_start_at_once_share_a_scene() {
    let world = CompatibleWorld::new().await;
    // Several times, because either request can be first.
    for _ in 0..5 {
        world.visit("client-id-socket.html?at-once").await;
        let code = read_code(&world.browser.picture("#code[data-drawn]").await).unwrap();
        world.phone("ann", Shown::MiniProgram(code)).await;
        assert!(!world.browser.text(WHO).await.is_empty());
        world.browser.forget_cookies().await;
    }
}

#[tokio::test]
async fn a_page_that_only_connects_gets_a_code_and_a_name() {
    let world = CompatibleWorld::new().await;
    let on_open = world.cluster.gateway_on_open(1);
    world.visit(&format!("qr-on-open.html?{on_open}")).await;
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
    world.browser.see("#state:not(:empty)").await;
}

#[tokio::test]
async fn a_page_that_polls_with_a_ticket_gets_the_user_and_whether_registered() {
    let world = CompatibleWorld::new().await;
    world.visit(&format!("ticket-polling.html?{}", world.cluster.wechat())).await;
    assert_eq!(world.browser.text("#state:not(:empty)").await, "用户还未扫码关注");
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
    assert_eq!(world.data("state").await, "1");
    assert_eq!(world.browser.text("#state").await, "用户已扫码,但未注册");
}

/// The code that the user has to type.
async fn typed_code(world: &CompatibleWorld) -> String {
    world.browser.text("#code:not(:empty)").await
}

#[tokio::test]
async fn a_page_with_a_typed_code_gets_a_grant_as_its_cookie() {
    let world = CompatibleWorld::new().await;
    world.visit("typed-code.html").await;
    world.phone("ann", Shown::Code(typed_code(&world).await)).await;
    // The page has set the cookie and reloaded.
    let grant = world.browser.text(WHO).await;
    assert_eq!(grant.len(), 43, "{grant}");
    let url = format!("http://{}/v1/redeem", world.cluster.callback_internal(1));
    let redeem = reqwest::Client::new().post(url).bearer_auth(API_KEY).json(&json!({ "grant": grant }));
    let login: Value = redeem.send().await.unwrap().json().await.unwrap();
    let ann = world.cluster.simulator.openid(&WeChatUser::persona("ann").unwrap(), &world.cluster.account).unwrap();
    assert_eq!(login["openid"], ann.as_str());
}

#[tokio::test]
async fn a_reloaded_page_shows_the_same_code_and_a_page_with_a_wrong_code_is_corrected() {
    let world = CompatibleWorld::new().await;
    world.visit("typed-code.html").await;
    let code = typed_code(&world).await;
    for page in ["typed-code.html", "typed-code.html?12345678"] {
        world.visit(page).await;
        world.browser.see_text("#code", &code).await;
    }
    let heard = world.browser.run("return window.heard").await;
    assert_eq!(heard, json!(["initCode!", format!("init#{code}")]));
}

/// How many of the page's subscriptions have ended.
fn ended_subscriptions(world: &CompatibleWorld) -> usize {
    world.ingress.answered("/subscribe")
}

#[tokio::test]
async fn a_page_that_reconnects_at_once_is_slowed_down_while_the_gateway_is_full() {
    let gateway_settings = "[limits]\nconnections = 3\n".to_owned();
    let world = CompatibleWorld::with(Setup { gateway_settings, ..Setup::default() }).await;
    let gateway = world.cluster.gateway_address(0);
    let mut held = vec![];
    for id in 0..3 {
        held.push(CookieBrowser::default().connect(&format!("ws://{gateway}/wx/websocket/{id}")).await.unwrap());
    }
    world.visit("typed-code.html?12345678").await;
    until("it was turned away twice", async || ended_subscriptions(&world) >= 2).await;
    // The gateway holds each request for three to seven seconds, so two take at least six.
    let took = world.browser.run("return performance.now()").await.as_f64().unwrap();
    assert!(took >= 6000.0, "{took} ms");
    held.clear();
    world.browser.see("#state:not(:empty)").await;
    assert!(ended_subscriptions(&world) <= 4, "{} times", ended_subscriptions(&world));
}

#[tokio::test]
async fn a_page_that_reconnects_at_once_is_slowed_down_while_redis_is_away() {
    let mut world = CompatibleWorld::new().await;
    world.cluster.redis.stop().await;
    world.visit("typed-code.html?12345678").await;
    until("it was turned away", async || ended_subscriptions(&world) >= 1).await;
    world.cluster.redis.restart().await;
    world.browser.see("#state:not(:empty)").await;
    assert!(ended_subscriptions(&world) <= 4, "{} times", ended_subscriptions(&world));
    world.phone("ann", Shown::Code(typed_code(&world).await)).await;
    assert_eq!(world.browser.text(WHO).await.len(), 43);
}

#[tokio::test]
async fn a_page_whose_gateway_drains_reconnects_once_with_its_code() {
    let soon = "compatible = 3\n".to_owned();
    let mut world = CompatibleWorld::with(Setup { gateways: 2, gateway_settings: soon, ..Setup::default() }).await;
    world.visit("typed-code.html").await;
    world.browser.see("#state:not(:empty)").await;
    let code = typed_code(&world).await;
    let mut held = vec![];
    for n in 0..2 {
        let open = metric(world.cluster.gateway_admin(n), "scenecast_connections_open{transport=\"sse\"}").await;
        held.push(open);
    }
    let its_gateway = held.iter().position(|open| *open > 0.0).unwrap();
    world.cluster.gateway(its_gateway).terminate();
    world.cluster.gateway(its_gateway).ended().await;
    let other_admin = world.cluster.gateway_admin(1 - its_gateway);
    metric_becomes(other_admin, "scenecast_connections_open{transport=\"sse\"}", 1.0).await;
    assert_eq!(ended_subscriptions(&world), 1, "the one that ended");
    assert_eq!(typed_code(&world).await, code);
    world.phone("ann", Shown::Code(code)).await;
    assert_eq!(world.browser.text(WHO).await.len(), 43);
}
