//! The admin listener: `/healthz`, `/readyz`, `/metrics`.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, header},
    response::IntoResponse,
    routing::get,
};

use crate::{
    http::{
        bad_request::BadRequests,
        misplaced::{ListenerKind, MisplacedRequests},
        problem::with_problems,
    },
    listener::{
        accept::{ListenError, Listener, ListenerLimits},
        probes::probes,
    },
    shutdown::Shutdown,
};
use scenecast_metrics::{Exposition, Metrics};

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
    let router = router(metrics, listener.bad_requests(), shutdown);
    tokio::spawn(listener.serve(router, Shutdown::never()));
    Ok(address)
}

fn router(metrics: &Metrics, bad_requests: &BadRequests, shutdown: &Shutdown) -> Router {
    let metrics = metrics.clone();
    let show_metrics = get(async move |headers: HeaderMap| show(&metrics, &headers));
    let misplaced = MisplacedRequests::at(ListenerKind::Admin, bad_requests);
    with_problems(probes(shutdown).route("/metrics", show_metrics), &misplaced)
}

/// The metrics in the format that the scraper asks for. A header that is no text asks for nothing.
fn show(metrics: &Metrics, headers: &HeaderMap) -> impl IntoResponse + use<> {
    let accept: Vec<_> = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).collect();
    let Exposition { content_type, body } = metrics.expose(&accept.join(","));
    ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body)
}
