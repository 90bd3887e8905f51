//! People log in across gateway and callback pods, also while these are replaced.

use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_testing::until;

use crate::{
    cluster::{Cluster, accepts},
    load::{Load, assert_nothing_lost},
};

const LOGINS: &str = "tests/overlays/logins";

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
    assert!(browser.text("[data-view='loggedIn'] #redeemed").await.contains("openid"));
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

/// How many pages all gateways hold.
async fn pages(cluster: &Cluster) -> f64 {
    let mut pages = 0.0;
    for pod in cluster.pods("scenecast-gateway").await {
        pages += cluster.metric(&pod, 9090, "scenecast_connections_open").await;
    }
    pages
}

#[tokio::test]
async fn a_rollout_restart_of_both_loses_no_login() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy(LOGINS).await;
    let before = cluster.fleet_pods().await;
    let load = Load::start(&["--pages=60", "--opens=30", "--rate=8", "--for=50"]);
    until("all pages are open", async || pages(&cluster).await >= 50.0).await;
    cluster.kubectl(&["rollout", "restart", "deployment/scenecast-gateway", "deployment/scenecast-callback"]).await;
    cluster.rolled_out().await;
    let after = cluster.fleet_pods().await;
    assert!(before.iter().all(|pod| !after.contains(pod)), "{before:?} {after:?}");
    assert_nothing_lost(&load.end().await);
}
