//! Shutting down, on real sockets.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use scenecast_metrics::Metrics;
use scenecast_service::{
    config::{DrainConfig, Seconds},
    listener::{probes, serve_admin},
    shutdown::Shutdown,
};
use scenecast_testing::until;
use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{Instant, timeout},
};

use crate::fixtures::{ANYWHERE, Client, LIMITS, TEST_TIMEOUT, admission_app, get_path, serve};

const SHORT_DRAIN: DrainConfig = DrainConfig { notice: Seconds::new(0), window: Seconds::new(1) };

#[tokio::test]
async fn a_shutdown_closes_idle_connections_finishes_requests_and_accepts_no_more() {
    let requested = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let slow = {
        let requested = requested.clone();
        let go_on = go_on.clone();
        get(move || async move {
            requested.notify_one();
            go_on.notified().await;
            "done"
        })
    };
    let shutdown = Shutdown::new(SHORT_DRAIN);
    let address = serve(admission_app().route("/slow", slow), LIMITS, &shutdown).await;
    let mut idle = Client::connect(address).await;
    let mut waiting = Client::connect(address).await;
    idle.send_get("/").await;
    assert_eq!(idle.read_response().await.0, 200);
    waiting.send_get("/slow").await;
    requested.notified().await;

    let shutting_down = tokio::spawn(async move { shutdown.shut_down().await });
    assert_eq!(idle.rest().await, "");
    until("no more connections are accepted", async || TcpStream::connect(address).await.is_err()).await;
    assert!(!shutting_down.is_finished(), "a request is still to be answered");
    go_on.notify_one();
    assert_eq!(waiting.read_response().await, (200, "done".to_owned()));
    assert_eq!(waiting.rest().await, "");
    timeout(TEST_TIMEOUT, shutting_down).await.expect("the end").unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_is_abandoned_five_seconds_after_the_window() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(3), window: Seconds::new(20) });
    shutdown.spawn(std::future::pending());
    let started = Instant::now();
    shutdown.shut_down().await;
    assert_eq!(started.elapsed().as_secs(), 3 + 20 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_drain_hold_prolongs_the_drain_beyond_its_window() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(0), window: Seconds::new(20) });
    let hold = shutdown.hold_drain();
    let closing = shutdown.clone();
    shutdown.spawn(std::future::pending());
    tokio::spawn(async move {
        closing.closing().await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        drop(hold);
        closing.drain_ended().await;
    });
    let started = Instant::now();
    shutdown.shut_down().await;
    assert_eq!(started.elapsed().as_secs(), 100 + 5);
}

#[tokio::test]
async fn a_response_that_nobody_reads_is_dropped_soon_after_the_window() {
    let requested = Arc::new(Notify::new());
    let notify = requested.clone();
    let long_body = "x".repeat(64 << 20);
    let app = Router::new().route(
        "/",
        get(move || async move {
            notify.notify_one();
            long_body
        }),
    );
    let shutdown = Shutdown::new(SHORT_DRAIN);
    let address = serve(app, LIMITS, &shutdown).await;
    let mut client = Client::connect(address).await;
    client.send_get("/").await;
    requested.notified().await;
    let started = Instant::now();
    shutdown.shut_down().await;
    let took = started.elapsed();
    assert!((3..4).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_at_once() {
    let shutdown = Shutdown::new(SHORT_DRAIN);
    let address = serve(admission_app(), LIMITS, &shutdown).await;
    let mut silent = Client::connect(address).await;
    // Connections are accepted in order, so the silent one is accepted once this is answered.
    assert_eq!(get_path(address, "/").await.0, 200);
    let started = Instant::now();
    shutdown.shut_down().await;
    assert!(started.elapsed() < SHORT_DRAIN.window.duration(), "{:?}", started.elapsed());
    assert_eq!(silent.rest().await, "");
}

#[tokio::test]
async fn a_process_that_shuts_down_is_alive_and_has_metrics_and_is_not_ready() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(60), window: Seconds::new(1) });
    let metrics = Metrics::new();
    metrics.counter("visits_total", "Visits.").inc();
    let admin = serve_admin(ANYWHERE.parse().unwrap(), &metrics, &shutdown).await.unwrap();
    let public = serve(admission_app().merge(probes(&shutdown)), LIMITS, &shutdown).await;
    for listener in [admin, public] {
        assert_eq!(get_path(listener, "/readyz").await, (200, "ready\n".to_owned()));
    }

    let shutting_down = tokio::spawn(async move { shutdown.shut_down().await });
    until("the process is not ready", async || get_path(admin, "/readyz").await.0 == 503).await;
    assert_eq!(get_path(admin, "/healthz").await.0, 200);
    assert_eq!(get_path(public, "/healthz").await.0, 200);
    assert_eq!(get_path(public, "/readyz").await, (503, "draining\n".to_owned()), "balancers see it, too");
    let (status, text) = get_path(admin, "/metrics").await;
    assert!(status == 200 && text.contains("scenecast_visits_total 1\n"), "{text}");
    assert_eq!(get_path(public, "/").await.0, 200, "a pod that isn't ready serves until it closes");
    shutting_down.abort();
}
