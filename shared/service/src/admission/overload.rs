//! Those for whom there is no room: why, what they are told, and that it is counted.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use prometheus::IntCounterVec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{admission::rate_limit::RateLimit, http::problem::Problem};
use scenecast_metrics::Metrics;

/// When those whom a pod has no room for may try again, …
const ROOM_AGAIN: Duration = Duration::from_secs(5);
/// … and those whose address has as many sockets as it may.
const SEAT_AGAIN: Duration = Duration::from_secs(10);

/// RejectReason somebody is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// The pod has as many connections as it takes.
    Connections,
    /// More connect in a second than it takes.
    Connects,
    /// The address connects more often than one may.
    Hasty,
    /// It has no place left, even to say so.
    Unheard,
    /// The address has as many sockets as it may.
    Sockets,
    /// The address asks more often than it may.
    Requests,
    /// The address opens more scenes than it may.
    Scenes,
    /// WeChat sends more messages than the pod takes.
    Webhooks,
    /// The address sends more of what is no message of WeChat's than is answered.
    Junk,
}

impl RejectReason {
    const ALL: [Self; 9] = [
        Self::Connections,
        Self::Connects,
        Self::Hasty,
        Self::Unheard,
        Self::Sockets,
        Self::Requests,
        Self::Scenes,
        Self::Webhooks,
        Self::Junk,
    ];

    /// Its word in metrics and logs.
    fn word(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Connects => "connects",
            Self::Hasty => "hasty",
            Self::Unheard => "unheard",
            Self::Sockets => "sockets",
            Self::Requests => "requests",
            Self::Scenes => "scenes",
            Self::Webhooks => "webhooks",
            Self::Junk => "junk",
        }
    }
}

/// Counts those who are turned away, and says so in the log, once in a second. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Rejections(Arc<RejectionCounters>);

#[derive(Debug)]
struct RejectionCounters {
    counter: IntCounterVec,
    logged: RateLimit,
}

impl Rejections {
    /// The counter of this process.
    pub fn new(metrics: &Metrics) -> Self {
        let counter = metrics.turned_away();
        // RejectionCounters from 0: to an alert the first of those that are counted from nothing is no increase.
        for why in RejectReason::ALL {
            counter.with_label_values(&[why.word()]);
        }
        Self(Arc::new(RejectionCounters { counter, logged: RateLimit::per_second(1) }))
    }

    /// One more.
    pub fn count(&self, why: RejectReason) {
        self.0.counter.with_label_values(&[why.word()]).inc();
        if self.0.logged.allows() {
            tracing::warn!(why = why.word(), "turned somebody away; turned_away_total has them all");
        }
    }
}

/// Marks requests that are to be told to come back, and not served.
#[derive(Debug, Clone)]
pub struct Overloaded {
    why: RejectReason,
    back_in: Duration,
    doorstep: Option<Arc<RejectSlot>>,
}

/// The place of a connection that is only to be told.
#[derive(Debug)]
pub(crate) struct RejectSlot {
    place: Mutex<Option<OwnedSemaphorePermit>>,
    waiting: Arc<Semaphore>,
}

impl RejectSlot {
    /// In this place, or among those that wait.
    pub(crate) fn new(place: OwnedSemaphorePermit, waiting: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self { place: Mutex::new(Some(place)), waiting })
    }
}

impl Overloaded {
    /// For this, and until there may be room.
    pub(crate) fn new(why: RejectReason) -> Self {
        Self { why, back_in: if why == RejectReason::Sockets { SEAT_AGAIN } else { ROOM_AGAIN }, doorstep: None }
    }

    /// The same, for whoever is in this place.
    pub(crate) fn in_place(self, doorstep: Arc<RejectSlot>) -> Self {
        Self { doorstep: Some(doorstep), ..self }
    }

    /// For more than an address may, and until it may again.
    pub fn until(why: RejectReason, back_in: Duration) -> Self {
        Self { why, back_in, doorstep: None }
    }

    /// RejectReason.
    pub(crate) fn why(&self) -> RejectReason {
        self.why
    }

    /// What it is told.
    pub fn problem(&self) -> Problem {
        let (status, code, detail) = match self.why {
            RejectReason::Connections | RejectReason::Connects | RejectReason::Unheard | RejectReason::Webhooks => {
                (StatusCode::SERVICE_UNAVAILABLE, "crowded", "this server has no room left")
            }
            RejectReason::Sockets => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_sockets", "this address has too many connections here")
            }
            RejectReason::Hasty | RejectReason::Requests | RejectReason::Junk => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "this address asks too often")
            }
            RejectReason::Scenes => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_scenes", "this address opens too many scenes")
            }
        };
        Problem { retry_after: Some(self.back_in), ..Problem::new(status, code, detail) }
    }

    /// Keeps whoever would be back at once waiting, without keeping others from being told: with those who wait it
    /// has another place, and where there is none left it doesn't wait.
    pub async fn wait(&self, time: Duration) {
        let Some(doorstep) = &self.doorstep else { return tokio::time::sleep(time).await };
        let Ok(_waiting) = doorstep.waiting.try_acquire() else { return };
        drop(doorstep.place.lock().take());
        tokio::time::sleep(time).await;
    }
}

/// Answers those who are to be told to come back, in place of the service. A middleware.
pub async fn turn_away(request: Request, next: Next) -> Response {
    match request.extensions().get::<Overloaded>() {
        Some(crowded) => crowded.problem().into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What a log has.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_thousand_who_are_turned_away_together_are_counted_and_have_one_line_in_the_log() {
        let (log, metrics) = (Log::default(), Metrics::new());
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let turned_away = Rejections::new(&metrics);
            (0..1000).for_each(|_| turned_away.count(RejectReason::Unheard));
        });
        assert!(metrics.text().contains("scenecast_turned_away_total{why=\"unheard\"} 1000"));
        assert!(metrics.text().contains("scenecast_turned_away_total{why=\"connects\"} 0"), "alerts see the first");
        let log = String::from_utf8(log.0.lock().clone()).unwrap();
        assert_eq!((log.lines().count(), log.contains("why=\"unheard\"")), (1, true), "{log}");
    }

    #[test]
    fn whoever_is_turned_away_is_told_why_and_when_to_come_back() {
        for (why, status, code) in [
            (RejectReason::Connections, 503, "crowded"),
            (RejectReason::Connects, 503, "crowded"),
            (RejectReason::Sockets, 429, "too_many_sockets"),
            (RejectReason::Requests, 429, "too_many_requests"),
            (RejectReason::Scenes, 429, "too_many_scenes"),
        ] {
            let problem = Overloaded::new(why).problem();
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
            assert!(problem.retry_after_secs().is_some_and(|after| after >= 5), "{problem:?}");
        }
        let soon = Overloaded::until(RejectReason::Requests, Duration::from_millis(1001)).problem();
        assert_eq!(soon.retry_after_secs(), Some(2), "not before that can help");
    }
}
