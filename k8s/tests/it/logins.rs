//! A person logs in across gateway and callback pods, and nobody reaches what policies close.

use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_testing::until;

use crate::cluster::{Cluster, accepts};

/// Where the browser finds what `kubectl port-forward` would bring to localhost.
const FORWARDED: &str = "MAP localhost:7300 scenecast-site:7300, MAP localhost:7301 scenecast-gateway:8080, \
                         MAP localhost:7304 scenecast-simulator:8083";

#[tokio::test]
async fn the_demo_sites_page_logs_in_with_a_simulated_phone() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy("overlays/dev").await;
    let browser = Browser::start_with(ScreenSize::Desktop, "en-US", FORWARDED).await;
    browser.visit("http://localhost:7300/").await;
    browser.see("[data-view='waiting'] #qr").await;
    let page = browser.open_window(browser.click("#phone-link")).await;
    browser.click("[id^='persona-']").await;
    browser.click("#scan").await;
    browser.click(".menu-link").await;
    browser.switch_to(page).await;
    browser.see("[data-view='loggedIn'] #avatar").await;
    assert!(browser.text("#redeemed").await.contains("openid"));
}

#[tokio::test]
async fn pods_are_reached_by_those_alone_whom_policies_name() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy("overlays/dev").await;
    for (name, open, closed) in [
        ("scenecast-gateway", Some(8080), vec![9090]),
        ("scenecast-callback", Some(8081), vec![8082, 9081]),
        ("scenecast-redis", None, vec![6379]),
    ] {
        for pod in cluster.pods(name).await {
            if let Some(port) = open {
                until("the public port accepts", async || accepts(&pod.address, port).await).await;
            }
            for port in closed.clone() {
                until("strangers reach no other port", async || !accepts(&pod.address, port).await).await;
            }
        }
    }
}
