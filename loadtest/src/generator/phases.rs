//! The phases of a run, one after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{generator_state::GeneratorState, logins::log_in, pages::keep_page, recording::RunRecorder};
use crate::{
    plan::{Arrivals, LoginPlan, Phase, RateCurve, Schedule, Segment},
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

/// Runs one segment of a plan at a target.
pub struct Generator<T: LoginTarget>(Arc<GeneratorState<T>>);

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
        Self(Arc::new(GeneratorState::new(target, plan, segment, sources, timer, recorder, stop)))
    }

    /// What the result file says of the target.
    pub fn target_info(&self) -> TargetInfo {
        self.0.target.info()
    }

    /// Runs all phases. Answers what is missing of the plan, one sentence each.
    pub async fn run(&self) -> Vec<String> {
        let mut missing = vec![];
        let mut pages = JoinSet::new();
        self.ramp(&mut pages, &mut missing).await;
        self.hold().await;
        self.load().await;
        if self.0.stop.is_cancelled() {
            missing.push("the run was stopped before its end".to_owned());
        }
        self.0.recorder.enter(Phase::CoolDown);
        self.0.logins.close();
        self.0.logins.wait().await;
        if self.0.plan.redeems_all_again() {
            let note = |scene, redemption| self.0.recorder.redeemed_again(scene, redemption);
            self.0.target.redeem_again(note).await;
        }
        self.0.recorder.finish();
        missing
    }

    async fn ramp(&self, pages: &mut JoinSet<()>, missing: &mut Vec<String>) {
        let state = &self.0;
        state.recorder.enter(Phase::Ramp);
        let curve = RateCurve::constant(state.plan.opens_per_second, state.plan.ramp().as_secs_f64());
        let start = Instant::now();
        for (_, at) in Schedule::new(curve, Arrivals::Uniform, state.plan.seed, state.segment) {
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
        if self.0.plan.hold_seconds > 0.0 && !self.0.stop.is_cancelled() {
            self.0.recorder.enter(Phase::Hold);
            self.reached(Instant::now() + Duration::from_secs_f64(self.0.plan.hold_seconds)).await;
        }
    }

    async fn load(&self) {
        let state = &self.0;
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
        let state = &self.0;
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
        let plan = &self.0.plan;
        if rate > 0.0 {
            let curve = RateCurve::constant(rate, plan.rate.duration().as_secs_f64());
            let seed = plan.seed.wrapping_add(part);
            for (_, at) in Schedule::new(curve, Arrivals::Poisson, seed, self.0.segment) {
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
            () = self.0.stop.cancelled() => false,
            () = self.0.timer.sleep_until(at) => true,
        }
    }
}
