//! Everything that was counted and timed in a run, while it goes on.

use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use scenecast_scene::SceneId;
use tokio::sync::watch;

use super::{
    measured::{FaultWindow, LiveCounts, Measured, MeasuredPhases, PhaseWindow},
    recorded::{Recorded, RecordedPhase},
};
use crate::{
    ledger::{Ledger, Redemption, Tally},
    measure::{LoginTiming, SecondTimings, Timings},
    plan::Phase,
    targets::Triggered,
};

/// Records a run. All tasks share it. Its lock is held for about a microsecond, some times a login.
#[derive(Debug)]
pub struct RunRecorder {
    began: Instant,
    began_at: SystemTime,
    late_after: Duration,
    recorded: Mutex<Recorded>,
    /// Whether logins are kept until the end, since something may still come of them.
    keeps_logins: bool,
    /// How many phases have begun or ended.
    phase_changes: watch::Sender<usize>,
}

impl RunRecorder {
    /// The run begins now. A login is late if its page learns of it this much later than planned.
    pub fn begin(late_after: Duration) -> Self {
        Self {
            began: Instant::now(),
            began_at: SystemTime::now(),
            late_after,
            recorded: Mutex::default(),
            keeps_logins: false,
            phase_changes: watch::Sender::default(),
        }
    }

    /// The same, but what becomes of a login may also be told after its end. It needs memory for each login.
    #[must_use]
    pub fn keeping_logins(self) -> Self {
        Self { keeps_logins: true, ..self }
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
        let mut recorded = self.recorded.lock();
        recorded.end_phase(from);
        recorded.windows.push(PhaseWindow { phase, from, to: None, connected: 0, over: from });
        drop(recorded);
        self.phase_changes.send_modify(|changes| *changes += 1);
    }

    /// Changes whenever a phase has begun or ended.
    pub fn phase_changes(&self) -> watch::Receiver<usize> {
        self.phase_changes.subscribe()
    }

    /// Something is broken from now on. What is planned from the first fault on is of a phase of its own. Answers the
    /// fault's place among all.
    pub fn fault_began(&self, what: String) -> usize {
        if self.phase() == Phase::Load {
            self.enter(Phase::Fault);
        }
        let from = self.began.elapsed();
        let faults = &mut self.recorded.lock().faults;
        faults.push(FaultWindow { what, from, to: None });
        faults.len() - 1
    }

    /// The fault with this place is mended.
    pub fn fault_ended(&self, place: usize) {
        let to = self.began.elapsed();
        if let Some(fault) = self.recorded.lock().faults.get_mut(place) {
            fault.to = Some(to);
        }
    }

    /// Redis has lost every copy of its data, and is back without it.
    pub fn data_lost(&self) {
        let now = Instant::now();
        let mut recorded = self.recorded.lock();
        recorded.data_lost_by = Some(now);
        recorded.phases.values_mut().for_each(|of_phase| of_phase.ledger.data_lost(now));
    }

    /// The run is over.
    pub fn finish(&self) {
        self.recorded.lock().end_phase(self.began.elapsed());
        self.phase_changes.send_modify(|changes| *changes += 1);
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
        self.problem_in(self.phase(), code);
    }

    /// A login that was planned in this phase met a problem.
    pub(super) fn problem_in(&self, phase: Phase, code: &str) {
        self.recorded.lock().phase(phase).ledger.count_problem(code);
    }

    pub(super) fn reconnected(&self) {
        self.recorded.lock().counts.connected += 1;
    }

    /// A page lost its connection, and will come back. The problem is why, if that is one.
    pub(super) fn disconnected(&self, problem: Option<&str>) {
        let phase = self.phase();
        let mut recorded = self.recorded.lock();
        if let Some(code) = problem {
            recorded.phase(phase).ledger.count_problem(code);
        }
        recorded.counts.disconnected += 1;
        recorded.counts.connected -= 1;
    }

    /// A connected page closed, since its wait is over.
    pub(super) fn closed(&self) {
        self.recorded.lock().counts.connected -= 1;
    }

    /// A page heard of a login that no phone asked for. It is somebody else's.
    pub(super) fn unasked_login(&self) {
        let phase = self.phase();
        let mut recorded = self.recorded.lock();
        recorded.phase(phase).unasked += 1;
        recorded.phase(phase).ledger.count_problem("a login that nobody asked for");
    }

    /// The person before a connected page left, as the plan wants it.
    pub(super) fn left(&self) {
        let phase = self.phase();
        let mut recorded = self.recorded.lock();
        recorded.phase(phase).left += 1;
        recorded.counts.connected -= 1;
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

    /// The phase of a login that was planned in this one and has ended. What was under way when something broke may have
    /// been disturbed, and counts as planned in the fault.
    pub(super) fn phase_of_login(&self, planned_in: Phase) -> Phase {
        let mut recorded = self.recorded.lock();
        if planned_in != Phase::Load || recorded.faults.is_empty() {
            return planned_in;
        }
        recorded.phase(Phase::Load).planned -= 1;
        recorded.phase(Phase::Fault).planned += 1;
        Phase::Fault
    }

    /// A phone has done what it does, and nothing more is waited for.
    pub(super) fn triggered(&self, phase: Phase, scene: SceneId, scanned: Instant, triggered: &Triggered) {
        let [planned, sent] = [triggered.planned, triggered.sent].map(|at| self.since_start(at));
        let lateness = triggered.sent.saturating_duration_since(triggered.due);
        let mut recorded = self.recorded.lock();
        recorded.timings.sent(phase, planned, sent, lateness);
        let ledger = &mut recorded.phase(phase).ledger;
        ledger.scanned(scene, triggered.who.clone(), scanned);
        ledger.planned(scene, triggered.planned);
        for told in &triggered.told_before {
            ledger.phone_told(scene, *told, scanned);
        }
        ledger.phone_told(scene, triggered.told, triggered.answered);
        if let Some(problem) = &triggered.problem {
            ledger.count_problem(problem.code());
        }
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

    /// A page heard of this many logins more, after its own.
    pub(super) fn heard_again(&self, phase: Phase, scene: SceneId, logins: u32) {
        if logins > 0 {
            self.recorded.lock().phase(phase).ledger.page_told_again(scene);
        }
    }

    /// The site redeemed a grant, not only a login without one.
    pub(super) fn grant_redeemed(&self, phase: Phase) {
        self.recorded.lock().phase(phase).grants_redeemed += 1;
    }

    /// The site tried to redeem a grant a second time, as another login. That has to be refused.
    pub(super) fn redeemed_again(&self, scene: SceneId, redemption: Redemption) {
        let mut recorded = self.recorded.lock();
        let Some(of_phase) = recorded.phases.values_mut().find(|of_phase| of_phase.ledger.knows(scene)) else { return };
        of_phase.redeemed_again += 1;
        if let Redemption::Of(_) = redemption {
            of_phase.ledger.redeemed(scene, redemption);
        }
    }

    /// Nothing more can come of a login.
    pub(super) fn close(&self, phase: Phase, scene: SceneId) {
        let now = self.began.elapsed();
        let mut recorded = self.recorded.lock();
        let ledger = &mut recorded.phase(phase).ledger;
        if self.keeps_logins {
            ledger.over(scene);
        } else {
            ledger.close(scene, self.late_after);
        }
        if let Some(window) = recorded.windows.iter_mut().rfind(|window| window.phase == phase) {
            window.over = now;
        }
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
        self.measured_by(|ledger| ledger.closed_tally(self.late_after), wants)
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
            faults: recorded.faults.clone(),
        }
    }

    fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }
}
