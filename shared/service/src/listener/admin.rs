//! The admin listener: `/healthz`, `/readyz`, `/metrics`.
//!
//! See docs/decisions/027-readiness-does-not-depend-on-redis.md.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, http::StatusCode, routing::get};

use crate::{
    http::problem::with_problems,
    listener::accept::{ListenError, Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_metrics::Metrics;

/// Probes and Prometheus need few connections, and send their request at once. Idle connections are closed soon, so that
/// they can't keep a probe out: Kubernetes restarts a pod whose probes fail.
const LIMITS: ListenerLimits = ListenerLimits { connections: 256, idle: Duration::from_secs(1) };

/// Binds `address` and serves probes and metrics in the background, also while the process drains. Returns the bound
/// address.
pub async fn serve_admin(
    address: SocketAddr,
    metrics: &Metrics,
    shutdown: &Shutdown,
) -> Result<SocketAddr, ListenError> {
    let listener = Listener::bind("probes and metrics", address, LIMITS).await?;
    let address = listener.address();
    tokio::spawn(listener.serve(router(metrics, shutdown), Shutdown::never()));
    Ok(address)
}

/// A process is alive if it answers, and ready until it shuts down. Neither depends on Redis: if every pod became
/// unready, the ingress would answer WeChat in our place, and WeChat would not deliver again.
fn router(metrics: &Metrics, shutdown: &Shutdown) -> Router {
    let metrics = metrics.clone();
    let shutdown = shutdown.clone();
    let readyz = move || async move {
        if shutdown.is_shutting_down() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else {
            (StatusCode::OK, "ready\n")
        }
    };
    let routes = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(move || async move { metrics.text() }));
    with_problems(routes)
}
