//! What happens to a connection or request that a pod has no room for: it is counted, and gets an answer that says when
//! to try again.
//!
//! ```text
//! admission (or a route) ──marks the request──▶ Overloaded { reason, retry_after }
//!                                                   │
//!                             middleware reject_overloaded, or the route itself
//!                                                   │
//!                                                   ▼
//!                         problem+json with 503 or 429, and Retry-After
//! ```
//!
//! A rejected connection holds one of a few reject slots, of which one address gets an eighth. A client that would come back at once (some pages do) is kept
//! waiting before its connection is closed. So that this doesn't use up the reject slots, the wait has a limit of its own:
//!
//! ```text
//! reject slot taken ──answered──▶ wait_before_close ──slot given back, delayed-close place taken──▶ closed
//!                                      └────────────no place free: no wait──────────────────────────▶ closed
//! ```
//!
//! See docs/decisions/021-clients-without-room-are-let-in-to-be-told.md.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use prometheus::IntCounterVec;
use strum::VariantArray;

use crate::{
    admission::{
        held_connections::{HeldConnection, HeldConnections},
        rate_limit::RateLimit,
    },
    http::{bad_request::BadRequests, problem::Problem},
};
use scenecast_metrics::Metrics;

const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Sockets of one address are freed more slowly than a busy pod gets room.
const RETRY_AFTER_TOO_MANY_SOCKETS: Duration = Duration::from_secs(10);

/// Why a connection or request is rejected. Its text is the label `why` in metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RejectReason {
    /// The pod has as many connections as it may have.
    Connections,
    /// The pod gets more new connections in a second than it may.
    #[strum(serialize = "connects")]
    ConnectRate,
    /// One address opens more connections in a second than it may. They are closed without an answer.
    #[strum(serialize = "hasty")]
    AddressConnectRate,
    /// The connection is rejected for another reason, and no reject slot is free to answer it.
    #[strum(serialize = "unheard")]
    NoRejectSlot,
    /// The address has as many sockets as it may have.
    Sockets,
    /// The address sends more requests in a minute than it may.
    Requests,
    /// The address opens more scenes in a minute than it may.
    Scenes,
    /// WeChat sends more messages in a second than the pod handles. It delivers them again.
    Deliveries,
    /// The address sends more messages that aren't WeChat's than the pod answers.
    #[strum(serialize = "junk")]
    InvalidDeliveries,
    /// More scenes wait to be opened again than may wait, because no callback answers.
    Reopening,
    /// More calls to callbacks wait for their turn than callbacks answer in time.
    Calls,
    /// The process has no file descriptor left for the connection.
    Descriptors,
}

impl RejectReason {
    fn label(self) -> &'static str {
        self.into()
    }
}

/// Counts rejections in `scenecast_turned_away_total`, and logs at most one a second. Counts what is no request beside
/// them. Clones share the counters.
#[derive(Debug, Clone)]
pub struct Rejections(Arc<RejectionCounter>);

#[derive(Debug)]
struct RejectionCounter {
    counter: IntCounterVec,
    log_rate: RateLimit,
    bad_requests: BadRequests,
}

impl Rejections {
    /// Counts in this registry.
    pub fn new(metrics: &Metrics) -> Self {
        let counter = metrics.rejections();
        // Each reason starts at 0. Prometheus sees no increase in a series that begins at 1, so an alert would miss the
        // first rejection.
        for reason in RejectReason::VARIANTS {
            counter.with_label_values(&[reason.label()]);
        }
        let bad_requests = BadRequests::new(metrics);
        Self(Arc::new(RejectionCounter { counter, log_rate: RateLimit::per_second(1), bad_requests }))
    }

    /// What is no request is counted here.
    pub fn bad_requests(&self) -> &BadRequests {
        &self.0.bad_requests
    }

    /// Counts one more rejection.
    pub fn count(&self, reason: RejectReason) {
        self.0.counter.with_label_values(&[reason.label()]).inc();
        if self.0.log_rate.allows() {
            tracing::warn!(
                why = reason.label(),
                "rejected a connection or request, because a limit is reached; scenecast_turned_away_total counts all of \
                 them by this reason; if they are real users, add pods or raise the limit in [limits]"
            );
        }
    }
}

/// Marks a request, as its extension, that is to be refused because a limit is reached.
#[derive(Debug, Clone)]
pub struct Overloaded {
    reason: RejectReason,
    retry_after: Duration,
    slot: Option<Arc<RejectSlot>>,
}

/// The reject slot of a connection. [`Overloaded::wait_before_close`] exchanges it for a place of its own.
#[derive(Debug)]
pub(crate) struct RejectSlot {
    place: Mutex<Option<HeldConnection>>,
    delayed_closes: Arc<HeldConnections>,
}

impl RejectSlot {
    pub(crate) fn new(place: HeldConnection, delayed_closes: Arc<HeldConnections>) -> Arc<Self> {
        Arc::new(Self { place: Mutex::new(Some(place)), delayed_closes })
    }
}

impl Overloaded {
    /// A rejection with the usual delay for its reason: 10 s for too many sockets, 5 s for all others.
    pub(crate) fn new(reason: RejectReason) -> Self {
        let retry_after = if reason == RejectReason::Sockets { RETRY_AFTER_TOO_MANY_SOCKETS } else { RETRY_AFTER };
        Self::with_retry_after(reason, retry_after)
    }

    /// A rejection for which the limit says how long the client has to wait.
    pub fn with_retry_after(reason: RejectReason, retry_after: Duration) -> Self {
        Self { reason, retry_after, slot: None }
    }

    pub(crate) fn with_slot(self, slot: Arc<RejectSlot>) -> Self {
        Self { slot: Some(slot), ..self }
    }

    /// The answer to the client.
    pub fn problem(&self) -> Problem {
        let (status, code, detail) = match self.reason {
            RejectReason::Connections
            | RejectReason::ConnectRate
            | RejectReason::NoRejectSlot
            | RejectReason::Deliveries
            | RejectReason::Reopening
            | RejectReason::Calls
            | RejectReason::Descriptors => (StatusCode::SERVICE_UNAVAILABLE, "crowded", "this server has no room left"),
            RejectReason::Sockets => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_sockets", "this address has too many connections here")
            }
            RejectReason::AddressConnectRate | RejectReason::Requests | RejectReason::InvalidDeliveries => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "this address asks too often")
            }
            RejectReason::Scenes => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_scenes", "this address opens too many scenes")
            }
        };
        Problem { retry_after: Some(self.retry_after), ..Problem::new(status, code, detail) }
    }

    /// Sleeps for `delay`, for a client that would connect again as soon as it is closed. Returns at once if too many
    /// rejected connections wait already, or too many of this client, if it is named. While it waits, its reject slot is free for
    /// another connection.
    pub async fn wait_before_close(&self, client: Option<IpAddr>, delay: Duration) {
        let Some(slot) = &self.slot else { return tokio::time::sleep(delay).await };
        let Some(_held) = slot.delayed_closes.hold(client) else { return };
        drop(slot.place.lock().take());
        tokio::time::sleep(delay).await;
    }
}

/// Middleware: answers a request that is marked as [`Overloaded`], in place of the service.
pub async fn reject_overloaded(request: Request, next: Next) -> Response {
    match request.extensions().get::<Overloaded>() {
        Some(overloaded) => overloaded.problem().into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use scenecast_testing::{LogText, metric_value};

    use super::*;

    #[test]
    fn a_thousand_rejections_are_counted_and_logged_once() {
        let log = LogText::default();
        let metrics = Metrics::new();
        tracing::subscriber::with_default(log.subscriber(), || {
            let rejections = Rejections::new(&metrics);
            (0..1000).for_each(|_| rejections.count(RejectReason::NoRejectSlot));
        });
        let rejected = |why| metric_value(&metrics.text(), "scenecast_turned_away_total", &[("why", why)]);
        assert_eq!(rejected("unheard"), Some(1000.0));
        assert_eq!(rejected("connects"), Some(0.0), "an alert sees the first increase");
        let log = log.text();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("why=\"unheard\""), "{log}");
    }

    #[test]
    fn each_reason_has_its_label() {
        let labels: Vec<_> = RejectReason::VARIANTS.iter().map(|reason| reason.label()).collect();
        let expected = [
            "connections",
            "connects",
            "hasty",
            "unheard",
            "sockets",
            "requests",
            "scenes",
            "deliveries",
            "junk",
            "reopening",
            "calls",
            "descriptors",
        ];
        assert_eq!(labels, expected);
    }

    #[test]
    fn a_rejection_says_why_and_when_to_try_again() {
        for (reason, status, code) in [
            (RejectReason::Connections, 503, "crowded"),
            (RejectReason::ConnectRate, 503, "crowded"),
            (RejectReason::Sockets, 429, "too_many_sockets"),
            (RejectReason::Requests, 429, "too_many_requests"),
            (RejectReason::Scenes, 429, "too_many_scenes"),
        ] {
            let problem = Overloaded::new(reason).problem();
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
            assert!(problem.retry_after_secs().is_some_and(|after| after >= 5), "{problem:?}");
        }
        let soon = Overloaded::with_retry_after(RejectReason::Requests, Duration::from_millis(1001)).problem();
        assert_eq!(soon.retry_after_secs(), Some(2), "rounded up, so that the client isn't too early");
    }
}
