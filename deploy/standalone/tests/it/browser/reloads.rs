//! A page that is reloaded, or left, in the middle of a login.

use scenecast_simulator::PhoneScreen;
use scenecast_testing::until;
use serde_json::json;

use super::bare_page::BarePage;

const CANCELLED: &str = "scenecast_scenes_total{stage=\"cancelled\"}";
const KEEP: &str = "{ keepOnReload: true }";

impl BarePage {
    async fn reload(&self) {
        self.browser.visit(self.scenecast.site.join("style.css").expect("an address").as_str()).await;
        self.prepare().await;
    }

    /// Begins a login, scans its code, and waits until the page knows. Returns what the page shows.
    async fn scanned(&self, options: &str) -> serde_json::Value {
        self.start("", options).await;
        let opened = self.event("opened").await;
        self.scan(opened["qr"]["url"].as_str().expect("a QR code")).await;
        self.event("scanned").await;
        opened
    }
}

#[tokio::test]
async fn a_reloaded_page_goes_on_with_its_code_if_the_site_wants_that() {
    let page = BarePage::load().await;
    let before = page.scanned(KEEP).await;
    page.reload().await;
    page.start("", KEEP).await;
    let after = page.event("opened").await;
    assert_eq!((&after["scene"], &after["qr"]), (&before["scene"], &before["qr"]));
    assert!(after["expiresIn"].as_u64() <= before["expiresIn"].as_u64());
    page.event("scanned").await;
    page.confirm().await;
    page.event("confirmed").await;
    page.assert_no_faults().await;
    assert_eq!(page.browser.run("return sessionStorage.length").await, json!(0), "nothing is kept after the end");
}

#[tokio::test]
async fn a_login_that_is_confirmed_during_a_reload_arrives_after_it() {
    let page = BarePage::load().await;
    page.scanned(KEEP).await;
    page.reload().await;
    page.confirm().await;
    page.start("", KEEP).await;
    page.event("opened").await;
    page.event("confirmed").await;
}

#[tokio::test]
async fn a_login_arrives_after_a_reload_in_which_the_clock_was_set() {
    for hours in [1, -1] {
        let page = BarePage::load().await;
        page.scanned(KEEP).await;
        page.reload().await;
        page.confirm().await;
        page.start(&format!("const now = Date.now; Date.now = () => now() + {hours} * 3600e3"), KEEP).await;
        page.event("confirmed").await;
    }
}

#[tokio::test]
async fn a_reloaded_page_whose_kept_scene_is_useless_opens_another() {
    let page = BarePage::load().await;
    // Over: declined on the phone, while the page was away.
    let before = page.scanned(KEEP).await;
    page.reload().await;
    page.decline().await;
    page.start("", KEEP).await;
    let after = page.event("opened").await;
    assert_ne!(after["scene"], before["scene"]);
    // Of another session, or damaged.
    for (damage, options) in [
        ("", "{ keepOnReload: true, state: 'another session' }"),
        ("for (const name of Object.keys(sessionStorage)) sessionStorage[name] = '{'", KEEP),
        ("for (const name of Object.keys(sessionStorage)) sessionStorage[name] = 'null'", KEEP),
        (
            "for (const name of Object.keys(sessionStorage)) \
             sessionStorage[name] = sessionStorage[name].replace(/\"key\":\"[^\"]*/, '\"key\":\"x')",
            KEEP,
        ),
    ] {
        page.reload().await;
        page.start(damage, options).await;
        assert_ne!(page.event("opened").await["scene"], after["scene"], "{damage} {options}");
        page.assert_no_faults().await;
    }
}

#[tokio::test]
async fn a_page_that_is_left_gives_its_scene_up_and_the_phone_is_told() {
    let full = "Storage.prototype.setItem = () => { throw new DOMException('x', 'QuotaExceededError') }";
    // Where the browser refuses to keep the scene, the page does as if it weren't asked to.
    for (broken, options) in [("", "{}"), (full, KEEP)] {
        let page = BarePage::load().await;
        page.browser.run(broken).await;
        page.scanned(options).await;
        page.browser.visit("about:blank").await;
        until("the scene is cancelled", async || page.metric(CANCELLED) == 1).await;
        let PhoneScreen::Reply(told) = page.confirm().await else { panic!("no reply") };
        assert!(!told.contains("logged in"), "{told}");
    }
}

#[tokio::test]
async fn a_reloaded_page_that_keeps_nothing_gets_another_code() {
    let page = BarePage::load().await;
    let before = page.scanned("{}").await;
    assert_eq!(page.browser.run("return sessionStorage.length").await, json!(0), "the key is in memory only");
    page.reload().await;
    page.start("", "{}").await;
    assert_ne!(page.event("opened").await["scene"], before["scene"]);
    until("the first scene is cancelled", async || page.metric(CANCELLED) == 1).await;
}

#[tokio::test]
async fn a_page_that_comes_back_from_the_browsers_cache_gets_another_code() {
    let page = BarePage::load().await;
    let before = page.scanned("{}").await;
    // As a browser does that keeps the page and shows it again.
    let left = "dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))";
    let shown = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))";
    page.browser.run(left).await;
    until("the scene is cancelled", async || page.metric(CANCELLED) == 1).await;
    page.browser.run(shown).await;
    assert_ne!(page.event("opened").await["scene"], before["scene"]);
}
