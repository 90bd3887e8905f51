//! The demo site's login page, from QR code to logged in.

use std::net::SocketAddr;

use scenecast_loadtest::chromium::{Browser, Key, Screen};
use scenecast_shared::config::Seconds;
use scenecast_standalone::{Config, Standalone, config::Listen};
use serde_json::{Value, json};

use super::relay::Relay;

/// A standalone on any ports, whose codes are good for so long.
pub(crate) async fn standalone(scene_life: Seconds) -> Standalone {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen =
        Listen { site: any, gateway: any, on_open: any, callback: any, internal: any, simulator: any, admin: any };
    Standalone::start(Config { listen, scene_life, ..Config::default() }).await.expect("it starts")
}

/// A login page that shows its code.
async fn login_page(scenecast: &Standalone, screen: Screen, language: &str) -> Browser {
    let browser = Browser::start(screen, language).await;
    browser.visit(scenecast.site.as_str()).await;
    browser.see("[data-view='waiting'] #qr").await;
    browser
}

/// Scans what the page shows with the simulated phone, and comes back to the page.
pub(super) async fn scan(browser: &Browser) {
    let page = browser.open_window(browser.click("#phone-link")).await;
    browser.click("[id^='persona-']").await;
    browser.click("#scan").await;
    browser.see("#reply:not(:empty)").await;
    browser.switch_to(page).await;
}

/// What the page shows of the login that the site's backend got.
pub(super) async fn redeemed(browser: &Browser) -> Value {
    let shown = browser.text("[data-view='loggedIn'] #redeemed").await;
    serde_json::from_str(&shown).expect("JSON")
}

pub(super) const ENGLISH: [&str; 3] = ["Scan the code with WeChat", "Logging in…", "You are logged in"];
const CHINESE: [&str; 3] = ["请使用微信扫描二维码", "正在登录…", "已登录"];

/// Has the page keep every status that it shows from now on.
pub(super) const KEEP_STATUSES: &str = "const status = document.querySelector('#status'); window.statuses = []; \
    new MutationObserver(() => statuses.push(status.textContent)).observe(status, { childList: true })";

async fn logs_in(screen: Screen, language: &str, [waiting, scanned, logged_in]: [&str; 3]) {
    let scenecast = standalone(Seconds::new(120)).await;
    let browser = login_page(&scenecast, screen, language).await;
    assert_eq!(browser.text("#status").await, waiting);
    assert!(browser.text("#remaining").await.starts_with(['1', '2']), "1:59 or so");
    assert!(browser.attribute("#qr", "src").await.starts_with("data:image/svg+xml,"));
    let fits = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.run(fits).await, true, "nothing hangs over the edge");
    browser.run(KEEP_STATUSES).await;

    scan(&browser).await;
    let login = redeemed(&browser).await;
    assert_eq!(login["account"], "demo");
    assert!(login["openid"].as_str().is_some_and(|openid| !openid.is_empty()), "{login}");
    assert_eq!(browser.text("#status").await, logged_in);
    assert_eq!(login["profile"]["name"], browser.text("#name").await);
    assert!(!browser.attribute("#avatar", "src").await.is_empty());
    let statuses = browser.run("return window.statuses").await;
    assert_eq!(statuses, json!([scanned, logged_in]), "without a reload");
}

#[tokio::test]
async fn a_scan_logs_the_page_in_on_a_desktop() {
    logs_in(Screen::Desktop, "en-US", ENGLISH).await;
}

#[tokio::test]
async fn a_scan_logs_the_page_in_on_a_phone() {
    logs_in(Screen::Phone, "en-US", ENGLISH).await;
}

#[tokio::test]
async fn a_scan_logs_the_page_in_on_a_desktop_in_chinese() {
    logs_in(Screen::Desktop, "zh-CN", CHINESE).await;
}

#[tokio::test]
async fn a_scan_logs_the_page_in_on_a_phone_in_chinese() {
    logs_in(Screen::Phone, "zh-CN", CHINESE).await;
}

#[tokio::test]
async fn an_expired_code_offers_a_new_one_to_the_keyboard_too() {
    let scenecast = standalone(Seconds::new(3)).await;
    let browser = login_page(&scenecast, Screen::Desktop, "en-US").await;
    let first = browser.attribute("#qr", "src").await;
    browser.see("[data-view='expired'] #renew").await;
    browser.press(Key::Tab).await;
    browser.press(Key::Enter).await;
    browser.see("[data-view='waiting'] #qr").await;
    assert_ne!(browser.attribute("#qr", "src").await, first);
    scan(&browser).await;
    assert_eq!(redeemed(&browser).await["account"], "demo");
}

#[tokio::test]
async fn a_hidden_page_gets_a_code_when_it_is_seen_and_no_other_by_itself() {
    let scenecast = standalone(Seconds::new(3)).await;
    let browser = Browser::start(Screen::Desktop, "en-US").await;
    browser.hide().await;
    browser.visit(scenecast.site.as_str()).await;
    browser.see("[data-view='preparing']").await;
    browser.unhide().await;
    browser.see("[data-view='waiting'] #qr").await;

    browser.hide().await;
    browser.see("[data-view='expired']").await;
    let shown = browser.run("return document.querySelector('#qr').src").await;
    browser.unhide().await;
    browser.see("[data-view='expired'] #renew").await;
    assert_eq!(browser.run("return document.querySelector('#qr').src").await, shown);
}

#[tokio::test]
async fn a_login_that_happens_while_the_page_is_cut_off_arrives_when_it_is_back() {
    let scenecast = standalone(Seconds::new(120)).await;
    let relay = Relay::start(scenecast.gateway).await.unwrap();
    let detour = format!("MAP {} {}", scenecast.gateway, relay.address);
    let browser = Browser::start_with(Screen::Desktop, "en-US", &detour).await;
    browser.visit(scenecast.site.as_str()).await;
    browser.see("[data-view='waiting'] #qr").await;

    relay.cut();
    browser.see("[data-view='offline']").await;
    scan(&browser).await;
    browser.see("[data-view='offline']").await;
    relay.mend();
    assert_eq!(redeemed(&browser).await["account"], "demo");
}
