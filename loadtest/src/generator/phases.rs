//! The phases of a run, one after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    generator_state::GeneratorState, logins::log_in, pages::keep_page, phase_gate::PhaseGate, recording::RunRecorder,
};
use crate::{
    plan::{Arrivals, LoginPlan, Phase, RateCurve, Schedule, Segment},
    results::TargetInfo,
    targets::{LoginTarget, PageOrder, PreciseTimer, SourceAddresses},
};

/// How long the ramp may take beyond its plan before the run goes on with the pages that are open.
const RAMP_GRACE: Duration = Duration::from_secs(15);
/// How often the ramp looks whether all pages are open.
const RAMP_POLL: Duration = Duration::from_millis(20);

/// The gate between ramp and hold.
const PAGES_ARE_OPEN: u32 = 1;

/// Runs one segment of a plan at a target.
pub struct Generator<T: LoginTarget> {
    state: Arc<GeneratorState<T>>,
    gate: PhaseGate,
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
        let state = Arc::new(GeneratorState::new(target, plan, segment, sources, timer, recorder, stop));
        Self { state, gate: PhaseGate::open() }
    }

    /// Waits at this gate once all of its pages are open.
    #[must_use]
    pub fn with_gate(self, gate: PhaseGate) -> Self {
        Self { gate, ..self }
    }

    /// What the result file says of the target.
    pub fn target_info(&self) -> TargetInfo {
        self.state.target.info()
    }

    /// Runs all phases. Answers what is missing of the plan, one sentence each.
    pub async fn run(&self) -> Vec<String> {
        let mut missing = vec![];
        let mut pages = JoinSet::new();
        self.ramp(&mut pages, &mut missing).await;
        tokio::select! {
            () = self.gate.pass(PAGES_ARE_OPEN) => {}
            () = self.state.stop.cancelled() => {}
        }
        self.hold().await;
        self.load().await;
        if self.state.stop.is_cancelled() {
            missing.push("the run was stopped before its end".to_owned());
        }
        self.state.recorder.enter(Phase::CoolDown);
        self.state.logins.close();
        self.state.logins.wait().await;
        self.state.recorder.finish();
        missing
    }

    async fn ramp(&self, pages: &mut JoinSet<()>, missing: &mut Vec<String>) {
        let state = &self.state;
        state.recorder.enter(Phase::Ramp);
        let curve = RateCurve::constant(state.plan.opens_per_second, state.plan.ramp().as_secs_f64());
        let start = Instant::now();
        // Pages by rate may be rounded to one more.
        let opens = Schedule::new(curve, Arrivals::Uniform, state.plan.seed, state.segment);
        for (_, at) in opens.take_while(|(number, _)| *number < state.plan.pages.into()) {
            let planned = start + at;
            if !self.reached(planned).await {
                return;
            }
            pages.spawn(keep_page(state.clone(), planned));
        }
        let wanted = state.segment.share_of(state.plan.pages).into();
        let all_open = async {
            while state.recorder.counts().opened < wanted {
                tokio::time::sleep(RAMP_POLL).await;
            }
        };
        tokio::select! {
            opened = timeout(RAMP_GRACE, all_open) => if opened.is_err() {
                let opened = state.recorder.counts().opened;
                missing.push(format!("only {opened} of {wanted} pages opened"));
            },
            () = state.stop.cancelled() => {}
        }
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
                self.churn(start, state.plan.leaves_per_second, || {
                    if let Some(page) = state.waiting.take() {
                        page.news.order(PageOrder::Leave);
                    }
                }),
                self.churn(start, state.plan.reconnects_per_second, || state.waiting.reconnect_any()),
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
    async fn churn(&self, start: Instant, rate: f64, mut act: impl FnMut()) {
        let plan = &self.state.plan;
        if rate > 0.0 {
            let curve = RateCurve::constant(rate, plan.rate.duration().as_secs_f64());
            for (_, at) in Schedule::new(curve, Arrivals::Poisson, plan.seed, self.state.segment) {
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
