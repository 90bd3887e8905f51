//! The phases of a run, one after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    generator_state::GeneratorState, logins::log_in, measured::LiveCounts, pages::keep_page, phase_gate::PhaseGate,
    recording::RunRecorder,
};
use crate::{
    plan::{Arrivals, LoginPlan, PageStages, Phase, RateCurve, Schedule, Segment},
    results::TargetInfo,
    targets::{LoginTarget, PageOrder, PreciseTimer, SourceAddresses},
};

/// How long the ramp may take beyond its plan before the run goes on with the pages that are open.
const RAMP_GRACE: Duration = Duration::from_secs(15);
/// What is added to the seed for each part of the churn. With one seed for all, pages would be left at the instants of logins.
const LEAVES: u64 = 0x1ea5;
const RECONNECTS: u64 = 0xc0de;
/// How often the ramp looks whether all pages are open.
const RAMP_POLL: Duration = Duration::from_millis(20);
/// How long a page may need to come back to another gateway.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// What is missing of a run that was stopped.
pub const STOPPED_EARLY: &str = "the run was stopped before its end";

/// Runs one segment of a plan at a target.
pub struct Generator<T: LoginTarget> {
    state: Arc<GeneratorState<T>>,
    gate: PhaseGate,
    stages: PageStages,
}

impl<T: LoginTarget> Generator<T> {
    /// A generator for this segment. `stop` ends the run early: nothing new is planned, and what is under way ends.
    pub fn new(
        target: T,
        plan: LoginPlan,
        segment: Segment,
        sources: SourceAddresses,
        timer: PreciseTimer,
        recorder: Arc<RunRecorder>,
        stop: CancellationToken,
    ) -> Self {
        let stages = PageStages::none(plan.pages);
        let state = Arc::new(GeneratorState::new(target, plan, segment, sources, timer, recorder, stop));
        Self { state, gate: PhaseGate::open(), stages }
    }

    /// Waits at a gate once the pages of a stage are open; the number of the stage is that of the gate.
    #[must_use]
    pub fn with_gate(self, gate: PhaseGate) -> Self {
        Self { gate, ..self }
    }

    /// What the result file says of the target.
    pub fn target_info(&self) -> TargetInfo {
        self.state.target.info()
    }

    /// Opens its pages in these stages. A stage that fails ends the run.
    #[must_use]
    pub fn with_page_stages(self, stages: PageStages) -> Self {
        Self { stages, ..self }
    }

    /// Runs all phases. Answers what is missing of the plan, one sentence each.
    pub async fn run(&self) -> Vec<String> {
        let mut missing = vec![];
        let mut pages = JoinSet::new();
        if self.ramp(&mut pages, &mut missing).await {
            self.hold().await;
            missing.extend(self.still_connected(self.share_of_pages()).await);
            self.load().await;
        }
        if self.state.stop.is_cancelled() {
            missing.push(STOPPED_EARLY.to_owned());
        }
        self.state.recorder.enter(Phase::CoolDown);
        self.state.logins.close();
        self.state.logins.wait().await;
        if self.state.plan.redeems_all_again() {
            let note = |scene, redemption| self.state.recorder.redeemed_again(scene, redemption);
            self.state.target.redeem_again(note).await;
        }
        self.state.recorder.finish();
        missing
    }

    /// Opens all pages, stage by stage. Whether the run goes on.
    async fn ramp(&self, pages: &mut JoinSet<()>, missing: &mut Vec<String>) -> bool {
        self.state.recorder.enter(Phase::Ramp);
        let (mut before, mut wanted) = (0, 0);
        for (stage, total) in (1..).zip(self.stages.totals()) {
            wanted += u64::from(self.state.segment.share_of(total - before));
            self.open_pages(pages, total - before).await;
            before = *total;
            let mut fault = self.until_open(wanted).await;
            if fault.is_none() || !self.is_staged() {
                tokio::select! {
                    () = self.gate.pass(stage) => {}
                    () = self.state.stop.cancelled() => {}
                }
            }
            if stage < self.stages.count() && fault.is_none() {
                self.reached(Instant::now() + self.stages.hold()).await;
                fault = self.still_connected(wanted).await;
            }
            match fault {
                Some(fault) if self.is_staged() => {
                    let stages = self.stages.count();
                    missing.push(format!("the run ended at stage {stage} of {stages} ({total} pages): {fault}"));
                    return false;
                }
                fault => missing.extend(fault),
            }
            if self.state.stop.is_cancelled() {
                return false;
            }
        }
        true
    }

    fn is_staged(&self) -> bool {
        self.stages.count() > 1
    }

    /// Plans this segment's part of so many opens, and returns when the last one has begun.
    async fn open_pages(&self, pages: &mut JoinSet<()>, opens: u32) {
        let state = &self.state;
        let rate = state.plan.opens_per_second;
        let curve = RateCurve::constant(rate, f64::from(opens) / rate);
        let start = Instant::now();
        // Pages by rate may be rounded to one more.
        let schedule = Schedule::new(curve, Arrivals::Uniform, state.plan.seed, state.segment);
        for (_, at) in schedule.take_while(|(number, _)| *number < opens.into()) {
            let planned = start + at;
            if !self.reached(planned).await {
                return;
            }
            pages.spawn(keep_page(state.clone(), planned));
        }
    }

    /// Waits until so many pages have opened. Answers what is wrong if they don't.
    async fn until_open(&self, wanted: u64) -> Option<String> {
        let opened = self.fewer_than(wanted, RAMP_GRACE, |counts| counts.opened).await?;
        Some(format!("only {opened} of {wanted} pages opened"))
    }

    /// What is wrong if pages were lost while they waited. One that was sent to another gateway may be on its way.
    async fn still_connected(&self, wanted: u64) -> Option<String> {
        let connected = self.fewer_than(wanted, ON_THE_WAY, |counts| counts.connected).await?;
        Some(format!("only {connected} of {wanted} pages were still connected after their hold"))
    }

    /// Waits until this count is as high as wanted. Answers what it is otherwise, after so long; `None` if the run is stopped.
    async fn fewer_than(&self, wanted: u64, within: Duration, count: impl Fn(&LiveCounts) -> u64) -> Option<u64> {
        let state = &self.state;
        let reached = async {
            while count(&state.recorder.counts()) < wanted {
                tokio::time::sleep(RAMP_POLL).await;
            }
        };
        tokio::select! {
            reached = timeout(within, reached) => reached.is_err().then(|| count(&state.recorder.counts())),
            () = state.stop.cancelled() => None,
        }
    }

    /// How many pages this segment keeps open.
    fn share_of_pages(&self) -> u64 {
        let mut before = 0;
        let shares = self.stages.totals().iter().map(|total| {
            let share = self.state.segment.share_of(total - before);
            before = *total;
            u64::from(share)
        });
        shares.sum()
    }

    async fn hold(&self) {
        if self.state.plan.hold_seconds > 0.0 && !self.state.stop.is_cancelled() {
            self.state.recorder.enter(Phase::Hold);
            self.reached(Instant::now() + Duration::from_secs_f64(self.state.plan.hold_seconds)).await;
        }
    }

    async fn load(&self) {
        let state = &self.state;
        if state.stop.is_cancelled() {
            return;
        }
        state.recorder.enter(Phase::Load);
        let start = Instant::now();
        let churn = async {
            tokio::join!(
                self.churn(start, LEAVES, state.plan.leaves_per_second, || {
                    if let Some(page) = state.waiting.take() {
                        page.news.order(PageOrder::Leave);
                    }
                }),
                self.churn(start, RECONNECTS, state.plan.reconnects_per_second, || state.waiting.reconnect_any()),
            );
        };
        tokio::join!(self.log_in_by_plan(start), churn);
    }

    async fn log_in_by_plan(&self, start: Instant) {
        let state = &self.state;
        let plan = &state.plan;
        for (number, at) in Schedule::new(plan.rate.clone(), plan.arrivals, plan.seed, state.segment) {
            let planned = start + at;
            if !self.reached(planned).await {
                return;
            }
            let phase = state.recorder.phase();
            state.recorder.planned(phase, planned);
            state.logins.spawn(log_in(state.clone(), phase, number, planned));
        }
        self.reached(start + plan.rate.duration()).await;
    }

    /// Does something with pages at this rate, as long as the load goes on.
    async fn churn(&self, start: Instant, part: u64, rate: f64, mut act: impl FnMut()) {
        let plan = &self.state.plan;
        if rate > 0.0 {
            let curve = RateCurve::constant(rate, plan.rate.duration().as_secs_f64());
            let seed = plan.seed.wrapping_add(part);
            for (_, at) in Schedule::new(curve, Arrivals::Poisson, seed, self.state.segment) {
                if !self.reached(start + at).await {
                    return;
                }
                act();
            }
        }
    }

    /// Waits for this instant. False if the run has to end before.
    async fn reached(&self, at: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.state.stop.cancelled() => false,
            () = self.state.timer.sleep_until(at) => true,
        }
    }
}
