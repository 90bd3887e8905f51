//! What the demo site's page shows when a login takes more than a scan. A scripted gateway sends the frames.

use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_standalone::site::{SiteConfig, site};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::scripted_gateway::{ScriptedConnection, ScriptedGateway};

/// A login page, after its first frame has reached the gateway.
async fn login_page(screen: ScreenSize, language: &str) -> (Browser, ScriptedGateway, ScriptedConnection) {
    let mut gateway = ScriptedGateway::start().await;
    let url: url::Url = gateway.page.parse().expect("an address");
    let config = SiteConfig {
        gateway: url.clone(),
        callback_internal: url,
        api_key: "key".into(),
        accounts: vec!["demo".parse().expect("a name")],
        simulated_phones: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let page = format!("http://{}/", listener.local_addr().expect("bound"));
    tokio::spawn(async { axum::serve(listener, site(config)).await });
    let browser = Browser::start(screen, language).await;
    browser.visit(&page).await;
    let connection = gateway.connection().await;
    (browser, gateway, connection)
}

/// The frame `opened`, with this field for the page to show.
fn opened(field: &str, shown: Value) -> Value {
    let mut opened = json!({ "type": "opened", "scene": "scene-1", "key": "key-1", "expires_in": 120 });
    opened[field] = shown;
    opened
}

const PICTURE: &str = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=";

fn event(kind: &str, seq: u64) -> Value {
    json!({ "type": kind, "seq": seq, "delivery": "d", "name": "Lin", "avatar": PICTURE, "grant": "grant-1" })
}

/// A page that showed digits, after somebody has sent them to the account.
async fn page_with_typed_code() -> (Browser, ScriptedGateway) {
    let (browser, gateway, mut connection) = login_page(ScreenSize::Desktop, "en-US").await;
    connection.send(opened("code", json!("48201937"))).await;
    browser.see("[data-view='typing'] #digits").await;
    let mut confirmed = event("confirmed", 1);
    confirmed["typed"] = json!(true);
    connection.send(confirmed).await;
    connection.close(1000, "").await;
    assert_eq!(browser.text("[data-view='asking'] #status").await, "Continue as Lin?");
    (browser, gateway)
}

async fn assert_digits_are_shown(screen: ScreenSize, language: &str, status: &str, label: &str) {
    let (browser, _gateway, mut connection) = login_page(screen, language).await;
    connection.send(opened("code", json!("4820193756"))).await;
    browser.see("[data-view='typing'] #digits").await;
    let groups = "return [...document.querySelector('scenecast-login').shadowRoot.querySelectorAll('#digits span')]\
                  .map((s) => s.textContent)";
    let groups = browser.run(groups).await;
    assert_eq!(groups, json!(["4820", "1937", "56"]));
    assert_eq!(browser.attribute("#digits", "aria-label").await, label);
    assert_eq!(browser.text("#status").await, status);
    assert!(!browser.text("#advice").await.is_empty());
    let fits = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.run(fits).await, true, "the page needs no horizontal scrolling");
    let copied = "const box = document.querySelector('scenecast-login').shadowRoot; \
                  const selection = box.getSelection(); \
                  selection.selectAllChildren(box.querySelector('#digits')); return String(selection)";
    assert_eq!(browser.run(copied).await, "4820193756");
}

#[tokio::test]
async fn digits_are_shown_with_what_to_do_with_them() {
    assert_digits_are_shown(ScreenSize::Desktop, "en-US", "Send this code in WeChat", "Code: 4 8 2 0 1 9 3 7 5 6")
        .await;
}

#[tokio::test]
async fn digits_are_shown_on_a_phone_in_chinese() {
    assert_digits_are_shown(ScreenSize::Phone, "zh-CN", "请在微信中发送此验证码", "验证码：4 8 2 0 1 9 3 7 5 6").await;
}

#[tokio::test]
async fn a_typed_code_logs_in_only_after_the_user_of_the_page_agrees() {
    let (browser, mut gateway) = page_with_typed_code().await;
    assert_eq!(gateway.redeemed(), None);
    browser.click("#continue").await;
    browser.see("#redeemed").await;
    browser.see("[data-view='loggedIn'] #avatar").await;
    assert_eq!(gateway.redeemed().as_deref(), Some("grant-1"));
}

#[tokio::test]
async fn a_typed_code_of_somebody_else_logs_nobody_in() {
    let (browser, mut gateway) = page_with_typed_code().await;
    browser.click("#not-me").await;
    browser.click("[data-view='refused'] #renew").await;
    let mut connection = gateway.connection().await;
    connection.send(opened("code", json!("11112222"))).await;
    browser.see("[data-view='typing'] #digits").await;
    assert_eq!(gateway.redeemed(), None);
}

#[tokio::test]
async fn a_mini_programs_code_is_shown_as_a_picture() {
    let (browser, _gateway, mut connection) = login_page(ScreenSize::Desktop, "en-US").await;
    connection.send(opened("mini_program", json!({ "image": PICTURE }))).await;
    browser.see("[data-view='waiting'] #qr").await;
    assert_eq!(browser.attribute("#qr", "src").await, PICTURE);
    assert_eq!(browser.attribute("#qr", "alt").await, "Mini-program code to log in with WeChat");
    assert_eq!(browser.run("return document.querySelector('#phone-link')").await, Value::Null);
}

#[tokio::test]
async fn the_number_to_pick_is_shown_and_named_in_the_status() {
    let (browser, _gateway, mut connection) = login_page(ScreenSize::Desktop, "en-US").await;
    connection.send(opened("mini_program", json!({ "image": PICTURE }))).await;
    let mut scanned = event("scanned", 1);
    scanned["number"] = json!(42);
    connection.send(scanned).await;
    assert_eq!(browser.text("[data-view='picking'] #number").await, "42");
    assert_eq!(browser.text("#status").await, "Scanned. Pick 42 on your phone.");
}

#[tokio::test]
async fn a_declined_login_is_shown_and_a_new_code_is_offered() {
    let (browser, mut gateway, mut connection) = login_page(ScreenSize::Desktop, "zh-CN").await;
    connection.send(opened("mini_program", json!({ "image": PICTURE }))).await;
    connection.send(event("scanned", 1)).await;
    assert_eq!(browser.text("[data-view='scanned'] #status").await, "已扫码，请在手机上确认");
    connection.send(event("declined", 2)).await;
    connection.close(1000, "").await;
    assert_eq!(browser.text("[data-view='declined'] #status").await, "已在手机上拒绝登录");
    browser.click("#renew").await;
    gateway.connection().await;
}
