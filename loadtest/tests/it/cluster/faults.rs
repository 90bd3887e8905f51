//! Processes and Redis that go away at bad moments.

use tokio::{net::TcpStream, task::JoinHandle};

use super::*;

fn start_scan(cluster: &Cluster, opened: &PageFrame) -> JoinHandle<DeliveryOutcome> {
    let simulator = cluster.simulator.clone();
    let url = opened.qr.url.clone();
    tokio::spawn(async move { simulator.scan(&WeChatUser::nth(1), &url).await.unwrap() })
}

#[tokio::test]
async fn a_draining_gateway_moves_its_pages_and_exits_with_success() {
    let mut cluster = Cluster::start(2, 1).await;
    let mut pages = vec![];
    for _ in 0..20 {
        pages.push(open(&cluster, 0).await);
    }
    cluster.gateway(0).terminate();
    for (mut page, opened) in pages {
        let (code, reason) = closed(&mut page).await;
        assert_eq!(code, 1012);
        let delay: u64 = reason.strip_prefix("retry_after_ms=").unwrap().parse().unwrap();
        assert!(delay <= 1000, "{delay}");
        resume(&cluster, 1, &opened).await;
    }
    assert_eq!(cluster.gateway(0).ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_draining_callback_finishes_its_deliveries_and_exits_with_success() {
    let mut cluster = Cluster::start(1, 2).await;
    let (mut page, opened) = open(&cluster, 0).await;
    cluster.deliver_to(vec![0]);
    // Redis pauses writes, so that the callback still works on the delivery when it gets SIGTERM.
    cluster.redis.cli(&["CLIENT", "PAUSE", "20000", "WRITE"]).await.unwrap();
    let scanning = start_scan(&cluster, &opened);
    until("a write waits", async || {
        cluster.redis.cli(&["INFO", "clients"]).await.unwrap().contains("blocked_clients:1")
    })
    .await;
    cluster.callback(0).terminate();
    let internal = cluster.callback_internal(0);
    until("it accepts no connections", async || TcpStream::connect(internal).await.is_err()).await;
    cluster.redis.cli(&["CLIENT", "UNPAUSE"]).await.unwrap();

    let outcome = scanning.await.unwrap();
    shows(&outcome, LOGGED_IN);
    assert_eq!(outcome.attempts.len(), 1, "{:?}", outcome.attempts);
    frame(&mut page, "confirmed").await;
    assert_eq!(cluster.callback(0).ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_scan_that_meets_a_dead_callback_is_delivered_to_another() {
    let mut cluster = Cluster::start(1, 2).await;
    let (mut page, opened) = open(&cluster, 0).await;
    cluster.callback(0).kill().await;
    cluster.deliver_to(vec![0, 1]);
    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    frame(&mut page, "confirmed").await;
}

#[tokio::test]
async fn while_redis_is_away_pages_stay_and_new_ones_are_told_to_retry() {
    let mut cluster = Cluster::start(1, 1).await;
    let (mut held, opened) = open(&cluster, 0).await;
    cluster.redis.stop().await;
    frame(&mut held, "trouble").await;
    for admin_address in [cluster.gateway_admin(0), cluster.callback_admin(0)] {
        metric_becomes(admin_address, "scenecast_redis_connected{connection=\"commands\"}", 0.0).await;
        for path in ["/healthz", "/readyz"] {
            assert_eq!(admin(admin_address, path).await.0, 200, "{path}");
        }
    }

    let mut page = connect(&cluster, 0).await;
    page.open("demo", None).await.unwrap();
    let problem = frame(&mut page, "problem").await;
    assert_eq!(problem.code, "bus_unavailable");
    assert!(problem.retry_after > 0);
    let (code, reason) = closed(&mut page).await;
    assert!(code == 1013 && reason.starts_with("retry_after_ms="), "{code} {reason}");
    let url = format!("http://{}/v1/scenes", cluster.gateway_address(0));
    let refused = reqwest::Client::new().post(url).json(&json!({ "account": "demo" })).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));

    cluster.redis.restart().await;
    frame(&mut held, "resumed").await;
    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    frame(&mut held, "confirmed").await;
}

#[tokio::test]
async fn a_scan_that_cannot_be_stored_is_not_answered_and_the_next_attempt_logs_in() {
    let mut cluster = Cluster::start(1, 1).await;
    let (mut page, opened) = open(&cluster, 0).await;
    cluster.redis.stop().await;
    let mut attempts = cluster.simulator.attempts();
    let scanning = start_scan(&cluster, &opened);
    frame(&mut page, "trouble").await;
    // Wait until WeChat has given up the first attempt.
    attempts.recv().await.unwrap();
    cluster.redis.restart().await;
    frame(&mut page, "resumed").await;
    let outcome = scanning.await.unwrap();
    shows(&outcome, LOGGED_IN);
    assert!(outcome.attempts.len() > 1, "{:?}", outcome.attempts);
    frame(&mut page, "confirmed").await;
}

#[tokio::test]
async fn a_scan_that_can_never_be_stored_ends_with_please_scan_again() {
    let mut cluster = Cluster::start(1, 1).await;
    let (_page, opened) = open(&cluster, 0).await;
    cluster.redis.stop().await;
    let outcome = scan(&cluster, 1, &opened).await;
    assert_eq!(outcome.attempts.len(), 3, "{:?}", outcome.attempts);
    shows(&outcome, SCAN_AGAIN);
}

#[tokio::test]
async fn when_redis_has_lost_everything_held_scenes_are_opened_again() {
    let mut cluster = Cluster::start(1, 1).await;
    let mut pages = vec![];
    for _ in 0..10 {
        pages.push(open(&cluster, 0).await);
    }
    cluster.redis.restart_empty().await;
    metric_becomes(cluster.gateway_admin(0), "scenecast_scenes_lost_total", 10.0).await;
    for (who, (mut page, opened)) in (1..).zip(pages) {
        stored(&cluster, &opened).await;
        shows(&scan(&cluster, who, &opened).await, LOGGED_IN);
        let confirmed = frame(&mut page, "confirmed").await;
        assert_eq!(redeem(&cluster, 0, &confirmed.grant).await.0, 200, "still bound to its state");
    }
}

#[tokio::test]
async fn a_page_whose_scene_was_lost_is_opened_again_when_it_resumes() {
    let mut cluster = Cluster::start(2, 1).await;
    let (page, opened) = open(&cluster, 0).await;
    drop(page);
    cluster.redis.restart_empty().await;
    let mut page = resume(&cluster, 1, &opened).await;
    stored(&cluster, &opened).await;
    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    frame(&mut page, "confirmed").await;
}
