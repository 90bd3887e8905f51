//! `/healthz` and `/readyz`: for Kubernetes on the admin listener, and for load balancers on the port that they send
//! clients to, since many can probe no other.
//!
//! See docs/decisions/027-readiness-does-not-depend-on-redis.md.

use axum::{Router, http::StatusCode, routing::get};

use crate::shutdown::Shutdown;

/// The routes of probes. A process is alive if it answers, and ready until it shuts down. Neither depends on Redis: if
/// every pod became unready, the ingress would answer WeChat in our place, and WeChat would not deliver again. Place them
/// beside what limits clients, so that a full pod isn't taken for a dead one.
pub fn probes(shutdown: &Shutdown) -> Router {
    let shutdown = shutdown.clone();
    let readyz = async move || {
        if shutdown.is_shutting_down() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else {
            (StatusCode::OK, "ready\n")
        }
    };
    Router::new().route("/healthz", get(async || "alive\n")).route("/readyz", get(readyz))
}
