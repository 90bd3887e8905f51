//! Everything that was counted and timed in a run, while it goes on.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use scenecast_scene::SceneId;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    ledger::{Ledger, Redemption, Tally},
    measure::{Latency, LoginTiming, SecondTimings, Timings},
    plan::Phase,
    results::Funnel,
    targets::Triggered,
};

/// Records a run. All tasks share it. Its lock is held for about a microsecond, some times a login.
#[derive(Debug)]
pub struct RunRecorder {
    began: Instant,
    began_at: SystemTime,
    late_after: Duration,
    recorded: Mutex<Recorded>,
    phase_changed: Notify,
}

/// What was recorded so far.
#[derive(Debug, Default)]
pub struct Recorded {
    pub timings: Timings,
    /// By the phase in which something was planned.
    phases: BTreeMap<Phase, RecordedPhase>,
    /// The phases so far, in their order.
    pub windows: Vec<PhaseWindow>,
    pub counts: LiveCounts,
}

#[derive(Debug, Default)]
struct RecordedPhase {
    ledger: Ledger,
    opens: Latency,
    asked: u64,
    planned: u64,
    without_page: u64,
    grants_redeemed: u64,
}

/// When a phase was, since the run's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseWindow {
    pub phase: Phase,
    pub from: Duration,
    /// `None` while it goes on.
    pub to: Option<Duration>,
}

/// Counts since the run's start, for whoever shows or samples it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCounts {
    /// How many pages are connected now.
    pub connected: u64,
    pub opened: u64,
    pub failed_opens: u64,
    pub disconnected: u64,
    pub planned: u64,
    pub heard: u64,
}

/// What was measured in a run, as plain data: by one process, or by several workers together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    pub timings: Timings,
    pub phases: MeasuredPhases,
    pub windows: Vec<PhaseWindow>,
}

/// What became of the logins of each phase, and how long its opens took; by the phase in which something was planned.
pub type MeasuredPhases = BTreeMap<Phase, (Funnel, Latency)>;

impl RunRecorder {
    /// The run begins now. A login is late if its page learns of it this much later than its phone.
    pub fn begin(late_after: Duration) -> Self {
        Self {
            began: Instant::now(),
            began_at: SystemTime::now(),
            late_after,
            recorded: Mutex::default(),
            phase_changed: Notify::new(),
        }
    }

    /// When the run began, by the monotonic clock.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// When the run began, by the wall clock. Nothing is timed by it.
    pub fn began_at(&self) -> SystemTime {
        self.began_at
    }

    pub fn counts(&self) -> LiveCounts {
        self.recorded.lock().counts
    }

    /// Looks at what was recorded so far.
    pub fn look<T>(&self, look: impl FnOnce(&Recorded) -> T) -> T {
        look(&self.recorded.lock())
    }

    /// A phase begins, and the one before it ends.
    pub fn enter(&self, phase: Phase) {
        let from = self.began.elapsed();
        let windows = &mut self.recorded.lock().windows;
        end_last(windows, from);
        windows.push(PhaseWindow { phase, from, to: None });
        self.phase_changed.notify_one();
    }

    /// Waits until a phase has begun or ended. For one task.
    pub async fn phase_changed(&self) {
        self.phase_changed.notified().await;
    }

    /// The run is over.
    pub fn finish(&self) {
        end_last(&mut self.recorded.lock().windows, self.began.elapsed());
        self.phase_changed.notify_one();
    }

    /// The phase of now.
    pub(super) fn phase(&self) -> Phase {
        self.recorded.lock().windows.last().map_or(Phase::Ramp, |window| window.phase)
    }

    pub(super) fn asked(&self, phase: Phase) {
        self.recorded.lock().phase(phase).asked += 1;
    }

    /// A page shows its code. Its open was planned for this instant.
    pub(super) fn opened(&self, phase: Phase, planned: Instant) {
        let took = planned.elapsed();
        let mut recorded = self.recorded.lock();
        recorded.phase(phase).opens.record(took);
        recorded.counts.opened += 1;
        recorded.counts.connected += 1;
    }

    /// An attempt to open failed, and nothing is connected.
    pub(super) fn open_failed(&self, phase: Phase, code: &str) {
        let mut recorded = self.recorded.lock();
        recorded.phase(phase).ledger.count_problem(code);
        recorded.counts.failed_opens += 1;
    }

    /// A connected page met a problem.
    pub(super) fn problem(&self, code: &str) {
        let phase = self.phase();
        self.recorded.lock().phase(phase).ledger.count_problem(code);
    }

    pub(super) fn reconnected(&self) {
        self.recorded.lock().counts.connected += 1;
    }

    /// A page lost its connection, and will come back.
    pub(super) fn disconnected(&self) {
        let mut recorded = self.recorded.lock();
        recorded.counts.disconnected += 1;
        recorded.counts.connected -= 1;
    }

    /// A connected page closed, since its wait is over.
    pub(super) fn closed(&self) {
        self.recorded.lock().counts.connected -= 1;
    }

    /// A login is planned for this instant.
    pub(super) fn planned(&self, phase: Phase, at: Instant) {
        let mut recorded = self.recorded.lock();
        recorded.timings.planned(self.since_start(at));
        recorded.phase(phase).planned += 1;
        recorded.counts.planned += 1;
    }

    /// A planned login can't begin: no page waits.
    pub(super) fn without_page(&self, phase: Phase) {
        self.recorded.lock().phase(phase).without_page += 1;
    }

    /// A phone has done what it does.
    pub(super) fn triggered(&self, phase: Phase, scene: SceneId, scanned: Instant, triggered: &Triggered) {
        let (planned, sent) = (self.since_start(triggered.planned), self.since_start(triggered.sent));
        let mut recorded = self.recorded.lock();
        recorded.timings.sent(phase, planned, sent);
        let ledger = &mut recorded.phase(phase).ledger;
        ledger.scanned(scene, triggered.who.clone(), scanned);
        ledger.phone_told(scene, triggered.told, triggered.answered);
    }

    /// A page heard of its login.
    pub(super) fn heard(&self, phase: Phase, scene: SceneId, triggered: &Triggered, at: Instant) {
        let [planned, sent, heard] = [triggered.planned, triggered.sent, at].map(|at| self.since_start(at));
        let mut recorded = self.recorded.lock();
        recorded.timings.heard(LoginTiming { phase, planned, sent, heard });
        recorded.phase(phase).ledger.page_told(scene, at);
        recorded.counts.heard += 1;
    }

    pub(super) fn redeemed(&self, phase: Phase, scene: SceneId, redemption: Redemption) {
        self.recorded.lock().phase(phase).ledger.redeemed(scene, redemption);
    }

    /// The site redeemed a grant, not only a login without one.
    pub(super) fn grant_redeemed(&self, phase: Phase) {
        self.recorded.lock().phase(phase).grants_redeemed += 1;
    }

    /// Nothing more can come of a login.
    pub(super) fn close(&self, phase: Phase, scene: SceneId) {
        self.recorded.lock().phase(phase).ledger.close(scene, self.late_after);
    }

    /// What became of the logins of each phase, and how long its opens took.
    pub fn by_phase(&self) -> MeasuredPhases {
        self.measured().phases
    }

    /// Everything that was measured. A login that is still under way counts as what it is now, such as lost: for the end
    /// of a run.
    pub fn measured(&self) -> Measured {
        self.measured_by(|ledger| ledger.tally(self.late_after), |_, _| true)
    }

    /// What is certain while the run goes on: logins under way are among the planned ones, and in no other count. Copies
    /// only these seconds, since nobody can record meanwhile.
    pub fn measured_so_far(&self, wants: impl Fn(u64, &SecondTimings) -> bool) -> Measured {
        self.measured_by(Ledger::closed_tally, wants)
    }

    fn measured_by(&self, tally: impl Fn(&Ledger) -> Tally, wants: impl Fn(u64, &SecondTimings) -> bool) -> Measured {
        let recorded = self.recorded.lock();
        let of = |(phase, of_phase): (&Phase, &RecordedPhase)| {
            (*phase, (of_phase.funnel(tally(&of_phase.ledger)), of_phase.opens.clone()))
        };
        let seconds = recorded.timings.seconds.iter().filter(|(number, second)| wants(**number, second));
        Measured {
            timings: Timings {
                phases: recorded.timings.phases.clone(),
                seconds: seconds.map(|(number, second)| (*number, second.clone())).collect(),
            },
            phases: recorded.phases.iter().map(of).collect(),
            windows: recorded.windows.clone(),
        }
    }

    fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }
}

impl Recorded {
    fn phase(&mut self, phase: Phase) -> &mut RecordedPhase {
        self.phases.entry(phase).or_default()
    }
}

impl RecordedPhase {
    fn funnel(&self, tally: Tally) -> Funnel {
        Funnel {
            asked: self.asked,
            opened: self.opens.count(),
            planned: self.planned,
            without_page: self.without_page,
            scanned: tally.scanned,
            accepted: tally.accepted,
            delivered: tally.delivered,
            redeemed: self.grants_redeemed,
            lost: tally.lost,
            doubled: tally.doubled,
            mixed_up: tally.mixed_up,
            late: tally.late,
            refused: tally.refused,
            not_told: tally.not_told,
            lost_because: tally.lost_because,
            problems: tally.problems,
        }
    }
}

fn end_last(windows: &mut [PhaseWindow], at: Duration) {
    if let Some(last) = windows.last_mut() {
        last.to.get_or_insert(at);
    }
}
