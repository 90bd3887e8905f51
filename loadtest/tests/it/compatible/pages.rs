//! Each such page in a real browser, served as a file by what also stands before the gateways.

use std::path::Path;

use scenecast_loadtest::{
    chromium::{Browser, Screen as Window},
    cluster::Ingress,
};

use super::*;

/// Whom WeChat still tells the name of.
const ANN: &str = "Ann";

/// Where a page shows who logged in, once it does.
const WHO: &str = "#who:not([hidden])";

struct World {
    cluster: Cluster,
    ingress: Ingress,
    browser: Browser,
}

impl World {
    async fn new() -> Self {
        let cluster = Cluster::start(2, 2).await;
        let ingress = cluster.ingress(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages")).await;
        let browser = Browser::start(Window::Desktop, "zh-CN").await;
        Self { cluster, ingress, browser }
    }

    async fn visit(&self, page: &str) {
        self.browser.visit(&self.ingress.url(page)).await;
    }

    /// Points a phone at the code that the page shows.
    async fn scan(&self, who: &str) -> Outcome {
        let picture = self.browser.picture("#code[data-drawn]").await;
        let says = read_code(&picture).expect("the page shows a code that a phone can read");
        self.cluster.simulator.scan(&Person::persona(who).unwrap(), &says).await.unwrap()
    }

    /// What the page keeps beside the name that it shows.
    async fn data(&self, name: &str) -> Value {
        self.browser.run(&format!("return document.getElementById('who').dataset.{name}")).await
    }
}

#[tokio::test]
async fn a_page_with_a_path_socket_is_told_a_name() {
    let world = World::new().await;
    world.visit("path-socket.html").await;
    world.browser.click("#sign-in").await;
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
}

#[tokio::test]
async fn a_picture_and_a_path_socket_that_begin_at_once_are_of_one_scene() {
    let world = World::new().await;
    // Whichever is first, each time.
    for _ in 0..5 {
        world.visit("path-socket.html?at-once").await;
        world.scan("ann").await;
        assert_eq!(world.browser.text(WHO).await, ANN);
        // Another page in the same second would be this one again.
        world.browser.forget_cookies().await;
    }
}

#[tokio::test]
async fn a_page_that_polls_for_a_result_gets_a_grant_in_place_of_an_openid() {
    let world = World::new().await;
    world.visit("path-result.html").await;
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
    let user: Value = serde_json::from_str(world.data("user").await.as_str().unwrap()).unwrap();
    assert_eq!(user["phoneIme"].as_str().unwrap().len(), 43, "{user}");
}

#[tokio::test]
async fn a_page_with_a_client_id_socket_is_told_who() {
    let world = World::new().await;
    world.visit("client-id-socket.html").await;
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
}

#[tokio::test]
async fn a_page_that_only_connects_is_sent_a_code_and_a_name() {
    let world = World::new().await;
    let on_open = world.cluster.gateway_on_open(1);
    world.visit(&format!("qr-on-open.html?{on_open}")).await;
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
    world.browser.see("#state:not(:empty)").await;
}

#[tokio::test]
async fn a_page_that_polls_with_a_ticket_is_told_who_and_whether_registered() {
    let world = World::new().await;
    world.visit(&format!("ticket-polling.html?{}", world.cluster.wechat())).await;
    assert_eq!(world.browser.text("#state:not(:empty)").await, "用户还未扫码关注");
    world.scan("ann").await;
    assert_eq!(world.browser.text(WHO).await, ANN);
    assert_eq!(world.data("state").await, "1");
    assert_eq!(world.browser.text("#state").await, "用户已扫码,但未注册");
}
