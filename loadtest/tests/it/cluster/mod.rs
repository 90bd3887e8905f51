//! Logins across processes, with a real Redis.

mod churn;
mod faults;
mod hostile;
mod logins;
mod scrapes;
mod token_storm;
mod traces;

use std::{net::SocketAddr, time::Duration};

use scenecast_browsers::login_page::{LoginPage, PageFrame, PageMessage};
use scenecast_loadtest::cluster::{API_KEY, Cluster, ORIGIN, Setup, metric};
use scenecast_simulator::{DeliveryOutcome, PhoneScreen, WeChatUser};
use scenecast_testing::until;
use serde_json::{Value, json};

/// What the phone shows after a login.
pub(crate) const LOGGED_IN: &str = "You are logged in. Please go back to the page.";
/// What the phone of a second user shows.
const TAKEN: &str = "Somebody else was first with this code. Please get a new one on the page and scan that.";
/// What the phone shows for a code whose scene is over.
const EXPIRED: &str = "This code has expired. Please get a new one on the page.";
/// What the phone shows if the callback doesn't know whether the login was stored.
const SCAN_AGAIN: &str = "The login did not go through. Please scan again.";

async fn connect(cluster: &Cluster, gateway: usize) -> LoginPage {
    LoginPage::connect(&cluster.gateway_address(gateway).to_string(), ORIGIN).await.unwrap()
}

/// A page that has opened a scene at this gateway.
async fn open(cluster: &Cluster, gateway: usize) -> (LoginPage, PageFrame) {
    let mut page = connect(cluster, gateway).await;
    page.open("demo", Some("the session's state")).await.unwrap();
    let opened = frame(&mut page, "opened").await;
    (page, opened)
}

/// A page that resumes a scene at this gateway.
async fn resume(cluster: &Cluster, gateway: usize, opened: &PageFrame) -> LoginPage {
    let mut page = connect(cluster, gateway).await;
    page.resume(&opened.key, 0).await.unwrap();
    assert_eq!(frame(&mut page, "resumed").await.scene, opened.scene);
    page
}

/// The page's next frame, which must be of this kind.
async fn frame(page: &mut LoginPage, kind: &str) -> PageFrame {
    match tokio::time::timeout(Duration::from_secs(20), page.next_message()).await {
        Ok(PageMessage::Frame(frame)) if frame.kind == kind => *frame,
        other => panic!("instead of {kind}: {other:?}"),
    }
}

async fn closed(page: &mut LoginPage) -> (u16, String) {
    match tokio::time::timeout(Duration::from_secs(20), page.next_message()).await {
        Ok(PageMessage::Closed(code, reason)) => (code, reason),
        other => panic!("instead of a close: {other:?}"),
    }
}

async fn cancel(cluster: &Cluster, gateway: usize, opened: &PageFrame) {
    let url = format!("http://{}/v1/scenes/{}", cluster.gateway_address(gateway), opened.scene);
    let gave_up = reqwest::Client::new().delete(url).bearer_auth(&opened.key).send().await.unwrap();
    assert_eq!(gave_up.status(), 204);
}

async fn scan(cluster: &Cluster, who: u64, opened: &PageFrame) -> DeliveryOutcome {
    cluster.simulator.scan(&WeChatUser::nth(who), &opened.qr.url).await.unwrap()
}

#[track_caller]
fn shows(outcome: &DeliveryOutcome, text: &str) {
    assert_eq!(outcome.shown, PhoneScreen::Reply(text.to_owned()), "{:?}", outcome.attempts);
}

/// Redeems a grant as the site's backend does. Answers the status and the body.
async fn redeem(cluster: &Cluster, callback: usize, grant: &str) -> (u16, Value) {
    let url = format!("http://{}/v1/redeem", cluster.callback_internal(callback));
    let body = json!({ "grant": grant, "state": "the session's state" });
    let response = reqwest::Client::new().post(url).bearer_auth(API_KEY).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The status and the body that an admin listener answers.
async fn admin(address: SocketAddr, path: &str) -> (u16, String) {
    let response = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Waits until a metric has this value.
pub(crate) async fn metric_becomes(address: SocketAddr, name: &str, value: f64) {
    until(name, async || (metric(address, name).await - value).abs() < f64::EPSILON).await;
}

/// Waits until Redis has this scene.
async fn stored(cluster: &Cluster, opened: &PageFrame) {
    let key = format!("wx:{}", opened.scene);
    until(&key, async || cluster.redis.cli(&["EXISTS", &key]).await.as_deref() == Ok("1")).await;
}

/// Waits for something that must happen within 20 s.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), happens).await.unwrap_or_else(|_| panic!("not in 20 s: {what}"))
}
