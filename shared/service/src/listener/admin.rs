//! The admin listener: `/healthz`, `/readyz`, `/metrics`.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, http::StatusCode, routing::get};

use crate::{
    http::problem::with_problems,
    listener::accept::{ListenError, Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_metrics::Metrics;

/// Probes and Prometheus are few, and ask at once. Whoever doesn't is soon gone: a pod whose probes find no place
/// is taken for dead.
const LIMITS: ListenerLimits = ListenerLimits { connections: 256, idle: Duration::from_secs(1) };

/// Binds and serves a process's probes and metrics, also while it drains; answers where.
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

/// Liveness is to answer at all; readiness is not to be leaving. Neither depends on Redis: with
/// every pod unready, the ingress would answer WeChat in our place.
fn router(metrics: &Metrics, shutdown: &Shutdown) -> Router {
    let (metrics, shutdown) = (metrics.clone(), shutdown.clone());
    let readyz = move || async move {
        if shutdown.is_leaving() {
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
