//! Those for whom there is no room: why, what they are told, and that it is counted.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus::IntCounterVec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Problem, Rate};
use crate::telemetry::Metrics;

/// When those whom a pod has no room for may try again, …
const ROOM_AGAIN: Duration = Duration::from_secs(5);
/// … and those whose address has as many sockets as it may.
const SEAT_AGAIN: Duration = Duration::from_secs(10);

/// Why somebody is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
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

impl Why {
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
pub struct TurnedAway(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    counter: IntCounterVec,
    logged: Rate,
}

impl TurnedAway {
    /// The counter of this process.
    pub fn new(metrics: &Metrics) -> Self {
        let counter = metrics.turned_away();
        // Counted from 0: to an alert the first of those that are counted from nothing is no increase.
        for why in Why::ALL {
            counter.with_label_values(&[why.word()]);
        }
        Self(Arc::new(Counted { counter, logged: Rate::per_second(1) }))
    }

    /// One more.
    pub fn count(&self, why: Why) {
        self.0.counter.with_label_values(&[why.word()]).inc();
        if self.0.logged.allows() {
            tracing::warn!(why = why.word(), "turned somebody away; turned_away_total has them all");
        }
    }
}

/// Marks requests that are to be told to come back, and not served.
#[derive(Debug, Clone)]
pub struct Crowded {
    why: Why,
    back_in: Duration,
    doorstep: Option<Arc<Doorstep>>,
}

/// The place of a connection that is only to be told.
#[derive(Debug)]
pub(super) struct Doorstep {
    place: Mutex<Option<OwnedSemaphorePermit>>,
    waiting: Arc<Semaphore>,
}

impl Doorstep {
    /// In this place, or among those that wait.
    pub(super) fn new(place: OwnedSemaphorePermit, waiting: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self { place: Mutex::new(Some(place)), waiting })
    }
}

impl Crowded {
    /// For this, and until there may be room.
    pub(super) fn new(why: Why) -> Self {
        Self { why, back_in: if why == Why::Sockets { SEAT_AGAIN } else { ROOM_AGAIN }, doorstep: None }
    }

    /// The same, for whoever is in this place.
    pub(super) fn in_place(self, doorstep: Arc<Doorstep>) -> Self {
        Self { doorstep: Some(doorstep), ..self }
    }

    /// For more than an address may, and until it may again.
    pub fn until(why: Why, back_in: Duration) -> Self {
        Self { why, back_in, doorstep: None }
    }

    /// Why.
    pub(super) fn why(&self) -> Why {
        self.why
    }

    /// What it is told.
    pub fn problem(&self) -> Problem {
        let (status, code, detail) = match self.why {
            Why::Connections | Why::Connects | Why::Unheard | Why::Webhooks => {
                (StatusCode::SERVICE_UNAVAILABLE, "crowded", "this server has no room left")
            }
            Why::Sockets => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_sockets", "this address has too many connections here")
            }
            Why::Hasty | Why::Requests | Why::Junk => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "this address asks too often")
            }
            Why::Scenes => (StatusCode::TOO_MANY_REQUESTS, "too_many_scenes", "this address opens too many scenes"),
        };
        Problem { retry_after: Some(self.back_in), ..Problem::new(status, code, detail) }
    }

    /// Keeps whoever would be back at once waiting, without keeping others from being told: with those who wait it
    /// has another place, and where there is none left it doesn't wait.
    pub async fn wait(&self, time: Duration) {
        let Some(doorstep) = &self.doorstep else { return tokio::time::sleep(time).await };
        let Ok(_waiting) = doorstep.waiting.try_acquire() else { return };
        drop(doorstep.place.lock().unwrap_or_else(PoisonError::into_inner).take());
        tokio::time::sleep(time).await;
    }
}

/// Answers those who are to be told to come back, in place of the service. A middleware.
pub async fn turn_away(request: Request, next: Next) -> Response {
    match request.extensions().get::<Crowded>() {
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
            self.0.lock().unwrap().write(bytes)
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
            let turned_away = TurnedAway::new(&metrics);
            (0..1000).for_each(|_| turned_away.count(Why::Unheard));
        });
        assert!(metrics.text().contains("scenecast_turned_away_total{why=\"unheard\"} 1000"));
        assert!(metrics.text().contains("scenecast_turned_away_total{why=\"connects\"} 0"), "alerts see the first");
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!((log.lines().count(), log.contains("why=\"unheard\"")), (1, true), "{log}");
    }

    #[test]
    fn whoever_is_turned_away_is_told_why_and_when_to_come_back() {
        for (why, status, code) in [
            (Why::Connections, 503, "crowded"),
            (Why::Connects, 503, "crowded"),
            (Why::Sockets, 429, "too_many_sockets"),
            (Why::Requests, 429, "too_many_requests"),
            (Why::Scenes, 429, "too_many_scenes"),
        ] {
            let problem = Crowded::new(why).problem();
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
            assert!(problem.retry_after_secs().is_some_and(|after| after >= 5), "{problem:?}");
        }
        let soon = Crowded::until(Why::Requests, Duration::from_millis(1001)).problem();
        assert_eq!(soon.retry_after_secs(), Some(2), "not before that can help");
    }
}
