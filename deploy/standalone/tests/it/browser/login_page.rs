//! The demo site's login page, from QR code to logged in.

use scenecast_browsers::chromium::{Browser, Key, ScreenSize};
use scenecast_service::config::Seconds;
use scenecast_standalone::Standalone;
use serde_json::{Value, json};

use super::relay::CuttableRelay;
use crate::standalone;

/// A login page that shows its code.
async fn login_page(scenecast: &Standalone, screen: ScreenSize, language: &str) -> Browser {
    let browser = Browser::start(screen, language).await;
    browser.visit(scenecast.site.as_str()).await;
    browser.see("[data-view='waiting'] #qr").await;
    browser
}

/// The address of a login page that renews no code by itself.
fn without_renewals(scenecast: &Standalone) -> String {
    scenecast.site.join("?auto-renew=0").expect("an address").into()
}

/// Scans the page's code with the simulated phone, answers its question, and switches back to the page.
async fn scan_and_answer(browser: &Browser, answer: &str) {
    let page = browser.open_window(browser.click("#phone-link")).await;
    browser.click("[id^='persona-']").await;
    browser.click("#scan").await;
    browser.click(answer).await;
    browser.see("#said").await;
    browser.switch_to(page).await;
}

/// Scans, and confirms.
pub(super) async fn scan(browser: &Browser) {
    scan_and_answer(browser, ".menu-link").await;
}

/// The answer to the redeem, as the page shows it.
pub(super) async fn redeemed(browser: &Browser) -> Value {
    browser.see("[data-view='loggedIn'] #avatar").await;
    let shown = browser.text("#redeemed").await;
    serde_json::from_str(&shown).expect("JSON")
}

pub(super) const ENGLISH: [&str; 4] =
    ["Scan the code with WeChat", "Scanned. Please confirm on your phone.", "Logging in…", "You are logged in"];
const CHINESE: [&str; 4] = ["请使用微信扫描二维码", "已扫码，请在手机上确认", "正在登录…", "已登录"];

/// JavaScript that records every status that the login box shows from now on.
pub(super) const KEEP_STATUSES: &str = "window.statuses = []; \
    const keep = (changes) => changes.forEach(({ addedNodes: [text] }) => statuses.push(text.textContent)); \
    const box = document.querySelector('scenecast-login').shadowRoot; \
    new MutationObserver(keep).observe(box.querySelector('#status'), { childList: true })";

/// JavaScript that says whether the page fits the window's width.
const FITS: &str = "return document.documentElement.scrollWidth <= innerWidth";

async fn assert_scan_logs_in(screen: ScreenSize, language: &str, statuses: [&str; 4]) {
    let scenecast = standalone(Seconds::new(120)).await;
    let browser = login_page(&scenecast, screen, language).await;
    assert_eq!(browser.text("#status").await, statuses[0]);
    assert!(browser.text("#remaining").await.starts_with(['1', '2']), "1:59 or so");
    assert!(browser.attribute("#qr", "src").await.starts_with("data:image/svg+xml,"));
    assert_eq!(browser.run(FITS).await, true, "the page needs no horizontal scrolling");
    browser.run(KEEP_STATUSES).await;

    scan(&browser).await;
    let login = redeemed(&browser).await;
    assert_eq!(login["account"], "demo");
    assert!(login["openid"].as_str().is_some_and(|openid| !openid.is_empty()), "{login}");
    assert_eq!(login["profile"]["name"], browser.text("#name").await);
    assert!(!browser.attribute("#avatar", "src").await.is_empty());
    let shown = browser.run("return window.statuses").await;
    assert_eq!(shown, json!(statuses[1..]), "without a reload");
}

#[tokio::test]
async fn a_scan_logs_the_page_in_on_a_desktop() {
    assert_scan_logs_in(ScreenSize::Desktop, "en-US", ENGLISH).await;
}

#[tokio::test]
async fn a_scan_logs_the_page_in_on_a_phone() {
    assert_scan_logs_in(ScreenSize::Phone, "en-US", ENGLISH).await;
}

#[tokio::test]
async fn a_scan_logs_the_page_in_on_a_desktop_in_chinese() {
    assert_scan_logs_in(ScreenSize::Desktop, "zh-CN", CHINESE).await;
}

#[tokio::test]
async fn a_scan_logs_the_page_in_on_a_phone_in_chinese() {
    assert_scan_logs_in(ScreenSize::Phone, "zh-CN", CHINESE).await;
}

#[tokio::test]
async fn a_scan_that_is_declined_on_the_phone_logs_nobody_in() {
    let scenecast = standalone(Seconds::new(120)).await;
    let browser = login_page(&scenecast, ScreenSize::Desktop, "en-US").await;
    scan_and_answer(&browser, ".menu-link ~ .menu-link").await;
    assert_eq!(browser.text("[data-view='declined'] #status").await, "The login was declined on the phone");
    browser.click("#renew").await;
    browser.see("[data-view='waiting'] #qr").await;
}

async fn assert_typed_code_logs_in(screen: ScreenSize, language: &str, send: &str, question: &str) {
    let scenecast = standalone(Seconds::new(120)).await;
    let browser = login_page(&scenecast, screen, language).await;
    browser.click(".ways a:not([aria-current])").await;
    browser.see("[data-view='typing'] #digits").await;
    assert_eq!(browser.text("#phone-link span").await, send);
    assert_eq!(browser.run(FITS).await, true, "the page needs no horizontal scrolling");
    let digits = "return document.querySelector('scenecast-login').shadowRoot.querySelector('#digits').textContent";
    let code = browser.run(digits).await;

    let page = browser.open_window(browser.click("#phone-link")).await;
    browser.click("[id^='persona-']").await;
    browser.write("#text", code.as_str().expect("digits")).await;
    browser.click("#send").await;
    assert_eq!(browser.text("#reply").await, "登录成功");
    browser.switch_to(page).await;

    let name = browser.text("[data-view='asking'] #name").await;
    assert_eq!(browser.text("#status").await, question.replace("{name}", &name));
    browser.click("#continue").await;
    assert_eq!(redeemed(&browser).await["account"], "personal");
}

#[tokio::test]
async fn a_typed_code_logs_in_the_user_who_continues() {
    assert_typed_code_logs_in(ScreenSize::Desktop, "en-US", "Send it from the simulated phone", "Continue as {name}?")
        .await;
}

#[tokio::test]
async fn a_typed_code_logs_in_the_user_who_continues_on_a_phone_in_chinese() {
    assert_typed_code_logs_in(ScreenSize::Phone, "zh-CN", "用模拟手机发送", "以“{name}”的身份继续？").await;
}

#[tokio::test]
async fn an_account_that_the_site_does_not_have_is_refused() {
    let scenecast = standalone(Seconds::new(120)).await;
    let browser = Browser::start(ScreenSize::Desktop, "en-US").await;
    browser.visit(scenecast.site.join("?account=classic").expect("an address").as_str()).await;
    let advice = browser.text("#unavailable #advice").await;
    assert!(advice.ends_with("account_unknown"), "{advice}");
}

#[tokio::test]
async fn an_expired_code_offers_a_new_one_to_the_keyboard_too() {
    let scenecast = standalone(Seconds::new(3)).await;
    let browser = Browser::start(ScreenSize::Desktop, "en-US").await;
    browser.visit(&without_renewals(&scenecast)).await;
    browser.see("[data-view='waiting'] #qr").await;
    let first = browser.attribute("#qr", "src").await;
    browser.see("[data-view='expired'] #renew").await;
    browser.press(Key::Tab).await;
    browser.press(Key::Enter).await;
    browser.see("[data-view='waiting'] #qr").await;
    assert_ne!(browser.attribute("#qr", "src").await, first);
}

#[tokio::test]
async fn a_hidden_page_gets_a_code_when_it_becomes_visible_and_no_second_one_by_itself() {
    let scenecast = standalone(Seconds::new(3)).await;
    let browser = Browser::start(ScreenSize::Desktop, "en-US").await;
    browser.hide().await;
    browser.visit(scenecast.site.as_str()).await;
    browser.see("[data-view='preparing']").await;
    browser.unhide().await;
    browser.see("[data-view='waiting'] #qr").await;

    browser.hide().await;
    browser.see("[data-view='expired']").await;
    let picture = "return document.querySelector('scenecast-login').shadowRoot.querySelector('#qr').src";
    let shown = browser.run(picture).await;
    browser.unhide().await;
    browser.see("[data-view='expired'] #renew").await;
    assert_eq!(browser.run(picture).await, shown);
}

#[tokio::test]
async fn a_login_while_the_page_is_disconnected_arrives_after_it_reconnects() {
    let scenecast = standalone(Seconds::new(120)).await;
    let relay = CuttableRelay::start(scenecast.gateway).await.unwrap();
    let host_rule = format!("MAP {} {}", scenecast.gateway, relay.address);
    let browser = Browser::start_with(ScreenSize::Desktop, "en-US", &host_rule).await;
    browser.visit(scenecast.site.as_str()).await;
    browser.see("[data-view='waiting'] #qr").await;

    relay.cut();
    browser.see("[data-view='offline']").await;
    scan(&browser).await;
    browser.see("[data-view='offline']").await;
    relay.restore();
    assert_eq!(redeemed(&browser).await["account"], "demo");
}
