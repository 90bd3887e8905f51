//! What a coordinator does with its workers, from their coming to the result.
//!
//! ```text
//!  offer ─▶ all ready ─▶ start ─▶ a stage of the ramp ─▶ all at its gate ─▶ pass ─▶ … ─▶ hold ─▶ load ─▶ cool-down ─▶ all over
//! ```

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    assemble::{RunEvidence, aborting, assemble},
    cli::RunCli,
    error::RunError,
    keep::keep,
    local_workers::LocalWorkers,
    place::Place,
    progress::{Progress, line},
    sampler::{Sampler, Samples},
};
use crate::{
    generator::RunRecorder,
    plan::{LoginPlan, Phase},
    results::{ProcessRole, ProcessSeries, RunResult, TargetInfo},
    thresholds::Threshold,
    workers::{MergedRun, Order, RollCall, RunOffer, RunStreams, RunStreamsError, merge},
};

/// How often reports are read.
const POLL: Duration = Duration::from_millis(100);
/// An order to do something together comes this long before: workers look for orders five times a second.
const LEAD: Duration = Duration::from_secs(1);
/// How often the workers are told that the coordinator is there.
const HOLD_EVERY: Duration = Duration::from_millis(300);

/// Everything that the coordinator has at work.
pub(super) struct Coordinator<'a> {
    pub(super) plan: &'a LoginPlan,
    pub(super) streams: RunStreams,
    pub(super) offer: RunOffer,
    pub(super) roll_call: RollCall,
    pub(super) workers: LocalWorkers,
    /// Workers whose process has ended, and how; their last reports may not be read yet.
    pub(super) ended: Vec<(u32, String)>,
    pub(super) progress: Progress,
    pub(super) stop: CancellationToken,
    /// When the coordinator's Redis answered last.
    pub(super) answered: Instant,
    /// When the workers were told last that the coordinator is there.
    pub(super) held: Option<Instant>,
    pub(super) silent: Duration,
    /// Why the run ended early, one sentence each.
    pub(super) ended_because: Vec<String>,
    pub(super) thresholds: &'a [Threshold],
    /// The threshold that ended it early.
    pub(super) aborted_by: Option<String>,
}

impl Coordinator<'_> {
    /// Waits until every worker is ready.
    pub(super) async fn gather(&mut self, within: Duration) -> Result<(), RunError> {
        let until = Instant::now() + within;
        while !self.roll_call.are_all_ready() {
            self.read_reports().await?;
            if !self.roll_call.objections().is_empty() {
                return Err(RunError::Workers(self.roll_call.objections().join("; ")));
            }
            let gone = self.roll_call.gone();
            if !gone.is_empty() {
                return Err(RunError::Absent(gone.join("; ")));
            }
            if self.stop.is_cancelled() {
                return Err(RunError::CalledOff("it was stopped before all workers were there".to_owned()));
            }
            if Instant::now() > until {
                let awaited: Vec<_> = self.roll_call.awaited().iter().map(u32::to_string).collect();
                return Err(RunError::Absent(format!(
                    "{} of {} workers didn't come within {:.0} s (--workers-within): {}",
                    awaited.len(),
                    self.offer.workers,
                    within.as_secs_f64(),
                    awaited.join(", ")
                )));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Lets all workers start together. Returns at the start.
    pub(super) async fn start(&mut self) -> Result<Instant, RunError> {
        self.streams.keep_reports_a_day().await?;
        let at_us = self.streams.time_after(LEAD).await?;
        self.streams.order(&Order::Start { at_us }).await?;
        let at = self.streams.instant_of(at_us).await?;
        sleep(at.saturating_duration_since(Instant::now())).await;
        self.roll_call.listen_from(Instant::now());
        Ok(at)
    }

    /// Reads reports until no worker has anything more to tell.
    pub(super) async fn follow(
        &mut self,
        recorder: &RunRecorder,
        sampler: &Sampler,
        began: Instant,
    ) -> Result<(), RunError> {
        recorder.enter(Phase::Ramp);
        let mut phases = self.plan.phases_after_the_ramp();
        let (mut told, mut gate, mut ramped) = (0, 1, None);
        while !self.roll_call.are_all_done() {
            sleep(POLL).await;
            if let Err(error) = self.read_reports().await {
                if self.answered.elapsed() > self.silent || !matches!(error, RunStreamsError::Redis(_)) {
                    self.ended_because.push(format!(
                        "the coordinator has no reports of the workers since {:.0} s: {error}; what they reported before \
                         is in the result",
                        self.answered.elapsed().as_secs_f64()
                    ));
                    return Ok(());
                }
                continue;
            }
            self.roll_call.miss_silent(Instant::now(), self.silent);
            self.end_early_if_needed().await;
            if gate <= self.offer.page_stages.count()
                && self.ended_because.is_empty()
                && self.roll_call.are_all_at(gate)
                && let Some(passed) = self.pass(gate).await
            {
                ramped = (gate == self.offer.page_stages.count()).then_some(passed);
                gate += 1;
            }
            if let Some(passed) = ramped {
                while let Some((phase, _)) = phases.next_if(|(_, after)| Instant::now() >= passed + *after) {
                    recorder.enter(phase);
                }
            }
            // Where merging takes longer than a second, some are left out: reports come first.
            if told < began.elapsed().as_secs() {
                told = began.elapsed().as_secs();
                let merged = self.merged_at(told)?;
                self.show(told, &merged);
                self.abort_if_crossed(merged, recorder, sampler).await;
            }
        }
        Ok(())
    }

    /// Opens the gate after a stage of the ramp. Answers when it opens; `None` if the order couldn't be given.
    async fn pass(&self, gate: u32) -> Option<Instant> {
        let at_us = self.streams.time_after(LEAD).await.ok()?;
        self.streams.order(&Order::Pass { gate, at_us }).await.ok()?;
        Some(Instant::now() + LEAD)
    }

    /// Has all workers stop if somebody wants that, or if one of them is gone: what is missing then can't be made good.
    async fn end_early_if_needed(&mut self) {
        if !self.ended_because.is_empty() {
            return;
        }
        let gone = self.roll_call.gone();
        let (why, told) = if self.stop.is_cancelled() {
            ("somebody stopped it", "the run was stopped before its end")
        } else if !gone.is_empty() {
            self.progress.note(&format!("stopping: {}", gone.join("; ")));
            ("a worker is gone", "the run was ended early, because a worker was gone")
        } else if self.roll_call.has_a_failed_stage() {
            ("a stage failed", "the run was ended early, because a stage of its pages failed")
        } else if !self.roll_call.objections().is_empty() {
            ("workers don't fit together", "the run was ended early, because its workers don't fit together")
        } else {
            return;
        };
        // If it fails it is tried again with the next reports.
        if self.streams.order(&Order::Stop { why: why.to_owned() }).await.is_ok() {
            self.ended_because.push(told.to_owned());
        }
    }

    /// Tells workers that wait that the run doesn't start.
    pub(super) async fn call_off(&self, error: &RunError) {
        // If it fails, they give up by themselves.
        let _ = self.streams.order(&Order::Stop { why: error.to_string() }).await;
    }

    async fn read_reports(&mut self) -> Result<(), RunStreamsError> {
        if self.held.is_none_or(|held| held.elapsed() > HOLD_EVERY) {
            self.streams.hold(self.silent).await?;
            self.held = Some(Instant::now());
        }
        // What a process reported before it ended is there now.
        self.ended.extend(self.workers.newly_ended());
        loop {
            let reports = self.streams.new_reports().await?;
            let now = Instant::now();
            if self.answered.elapsed() > self.silent / 3 {
                // The workers couldn't report meanwhile either.
                self.roll_call.listen_from(now);
            }
            self.answered = now;
            if reports.is_empty() {
                break;
            }
            for report in reports {
                self.roll_call.heard(report, now);
            }
        }
        for (worker, why) in self.ended.drain(..) {
            self.roll_call.process_ended(worker, &why);
        }
        Ok(())
    }

    /// What is known of all workers in this second of the run. Of the seconds it has the last one that all have reported.
    fn merged_at(&self, second: u64) -> Result<MergedRun, RunError> {
        Ok(merge(self.roll_call.records(), |number| number == last_whole(second))?)
    }

    fn show(&self, second: u64, merged: &MergedRun) {
        let MergedRun { measured, counts, .. } = merged;
        let counts = counts.last().copied().unwrap_or_default();
        let timed = measured.timings.seconds.get(&last_whole(second));
        self.progress.show(second, || line(second, measured.windows.last(), counts, timed));
    }

    /// Has all workers stop if a threshold wants that, by what all of them have measured together.
    async fn abort_if_crossed(&mut self, merged: MergedRun, recorder: &RunRecorder, sampler: &Sampler) {
        if !self.ended_because.is_empty() || self.aborted_by.is_some() {
            return;
        }
        if !self.thresholds.iter().any(Threshold::may_abort) {
            return;
        }
        let samples = self.samples(sampler.look(Clone::clone), &merged);
        let crossed = aborting(RunEvidence {
            plan: self.plan.clone(),
            target: TargetInfo::default(),
            measured: &merged.measured,
            began_at: recorder.began_at(),
            began: recorder.began(),
            samples,
            workers: vec![],
            missing: vec![],
            thresholds: self.thresholds,
            aborted_by: None,
            pages_per_path: merged.pages_per_path,
        });
        let Some(crossed) = crossed else { return };
        // If it fails it is tried again in a second.
        if self.streams.order(&Order::Stop { why: format!("a threshold doesn't hold: {crossed}") }).await.is_ok() {
            self.progress.note(&format!("stopping: {crossed} doesn't hold"));
            self.aborted_by = Some(crossed);
        }
    }

    pub(super) fn result(
        self,
        place: &Place,
        recorder: &RunRecorder,
        sampler: Sampler,
        cli: &RunCli,
    ) -> Result<RunResult, RunError> {
        self.progress.end();
        let merged = merge(self.roll_call.records(), |_| true)?;
        let samples = self.samples(sampler.finish(recorder), &merged);
        let mut missing = self.ended_because.clone();
        missing.extend(self.roll_call.gone());
        missing.extend(self.roll_call.objections().iter().cloned());
        missing.extend(self.roll_call.missing());
        let result = assemble(RunEvidence {
            plan: self.plan.clone(),
            target: place.info.clone(),
            measured: &merged.measured,
            began_at: recorder.began_at(),
            began: recorder.began(),
            samples,
            workers: self.roll_call.ends(),
            missing,
            thresholds: self.thresholds,
            aborted_by: self.aborted_by.clone(),
            pages_per_path: merged.pages_per_path,
        });
        keep(&result, &merged.measured, recorder.began_at(), &cli.out)?;
        Ok(result)
    }

    /// The servers, as this process sampled them, and the workers, as they sampled themselves.
    fn samples(&self, servers: Samples, merged: &MergedRun) -> Samples {
        let workers = (0_u32..).zip(self.roll_call.records()).map(|(number, (record, _))| ProcessSeries {
            role: ProcessRole::Generator,
            name: format!("worker {number}"),
            pid: number.try_into().ok().and_then(|place: usize| self.workers.pids.get(place).copied()).unwrap_or(0),
            samples: record.process.values().copied().collect(),
        });
        Samples {
            processes: servers.processes.into_iter().chain(workers).collect(),
            seconds: merged.counts.clone(),
            machine: merged.machine.clone(),
            descriptors: merged.descriptors,
            descriptors_limit: merged.descriptors_limit,
            cpus: merged.cpus,
        }
    }
}

/// The last second that all workers have reported in this second of the run.
fn last_whole(second: u64) -> u64 {
    second.saturating_sub(2)
}
