//! What all tasks of a generator share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{recording::RunRecorder, waiting_pages::WaitingPages};
use crate::{
    plan::{LoginPlan, Segment},
    targets::{LoginTarget, PreciseTimer, Seat, SourceAddresses},
};

/// What all tasks of a generator share.
pub(super) struct GeneratorState<T: LoginTarget> {
    pub(super) target: T,
    pub(super) plan: LoginPlan,
    pub(super) segment: Segment,
    pub(super) sources: SourceAddresses,
    pub(super) timer: PreciseTimer,
    pub(super) recorder: Arc<RunRecorder>,
    pub(super) waiting: WaitingPages<T::Trigger>,
    /// Logins that have begun and are not over.
    pub(super) logins: TaskTracker,
    /// Cancelled when somebody wants the run to end early: nothing new is planned.
    pub(super) stop: CancellationToken,
    next_seat: AtomicU64,
}

impl<T: LoginTarget> GeneratorState<T> {
    pub(super) fn new(
        target: T,
        plan: LoginPlan,
        segment: Segment,
        sources: SourceAddresses,
        timer: PreciseTimer,
        recorder: Arc<RunRecorder>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            target,
            plan,
            segment,
            sources,
            timer,
            recorder,
            waiting: WaitingPages::default(),
            logins: TaskTracker::new(),
            stop,
            next_seat: AtomicU64::new(0),
        }
    }

    /// The next page of this segment. No other page of the whole run has its number.
    pub(super) fn next_seat(&self) -> Seat {
        let nth = self.next_seat.fetch_add(1, Ordering::Relaxed);
        let number = nth * u64::from(self.segment.of()) + u64::from(self.segment.index());
        Seat { number, source: self.sources.of(nth), way: self.plan.way_of(number) }
    }

    pub(super) fn cool_down(&self) -> Duration {
        Duration::from_secs_f64(self.plan.cool_down_seconds)
    }
}
