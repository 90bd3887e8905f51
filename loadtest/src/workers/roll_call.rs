//! Who is where: what the coordinator knows of each worker. No I/O.
//!
//! ```text
//!  awaited ──ready──▶ ready ──measured…──▶ ready ──over──▶ over
//!     │                 └── no report for too long, its process ended ──▶ gone
//!     └── another version, another plan, refused, came twice ──▶ the run doesn't start
//! ```

use std::time::{Duration, Instant};

use super::{
    clock_offset::ClockOffset,
    protocol::{ProgramVersion, RunOffer, WorkerNews, WorkerReport},
    record::WorkerRecord,
};
use crate::results::WorkerEnd;

/// Where a worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerStage {
    /// It hasn't come yet.
    Awaited,
    /// It has come, and takes part.
    Ready,
    /// It has done its part, or was stopped and told the rest.
    Over,
    /// It ended, or reports no more, before it was over; the text says why.
    Gone(String),
}

/// What is known of all workers of a run.
#[derive(Debug)]
pub struct RollCall {
    program: ProgramVersion,
    plan_hash: String,
    is_forced: bool,
    last_gate: u32,
    workers: Vec<KnownWorker>,
    /// Why the run can't start, or isn't whole, one sentence each.
    objections: Vec<String>,
}

#[derive(Debug, Clone)]
struct KnownWorker {
    stage: WorkerStage,
    /// The random number of its process.
    process: Option<u64>,
    host: String,
    clock: ClockOffset,
    heard_at: Option<Instant>,
    /// How many of its reports have come.
    reports: u64,
    gate: u32,
    record: WorkerRecord,
    missing: Vec<String>,
}

impl RollCall {
    /// All workers of this offer are awaited.
    pub fn new(offer: &RunOffer) -> Self {
        let awaited = KnownWorker {
            stage: WorkerStage::Awaited,
            process: None,
            host: String::new(),
            clock: ClockOffset::default(),
            heard_at: None,
            reports: 0,
            gate: 0,
            record: WorkerRecord::default(),
            missing: vec![],
        };
        Self {
            program: offer.program.clone(),
            plan_hash: offer.plan_hash.clone(),
            is_forced: offer.is_forced,
            last_gate: offer.page_stages.count(),
            workers: vec![awaited; usize::try_from(offer.workers).unwrap_or(usize::MAX)],
            objections: vec![],
        }
    }

    /// A report came.
    pub fn heard(&mut self, report: WorkerReport, at: Instant) {
        let WorkerReport { worker, process, number, news } = report;
        let all = self.workers.len();
        let Some(known) = usize::try_from(worker).ok().and_then(|index| self.workers.get_mut(index)) else {
            self.objections.push(format!("a worker says that it is number {worker}, and there are {all}, from 0"));
            return;
        };
        if *known.process.get_or_insert(process) != process {
            if matches!(news, WorkerNews::Ready { .. }) {
                self.objections.push(format!(
                    "two processes say that they are worker {worker}; the one on {} came first. Start each worker once, \
                     and each run under a name of its own",
                    known.host
                ));
            }
            return;
        }
        known.heard_at = Some(at);
        if number > known.reports {
            self.objections.push(format!(
                "{} reports of worker {worker} on {} are missing: the Redis of the coordinator has lost data",
                number - known.reports,
                known.host
            ));
        }
        known.reports = known.reports.max(number + 1);
        match news {
            WorkerNews::Ready { program, plan_hash, host, clock } => {
                known.stage = WorkerStage::Ready;
                (known.host, known.clock) = (host, clock);
                let host = &known.host;
                if program != self.program {
                    let ours = &self.program;
                    self.objections.push(format!(
                        "worker {worker} on {host} is scenecast-loadtest {program}, and its coordinator is {ours}; use \
                         the same binary for both"
                    ));
                } else if plan_hash != self.plan_hash {
                    let ours = &self.plan_hash;
                    self.objections.push(format!(
                        "worker {worker} on {host} has the plan {plan_hash}, and its coordinator has {ours}; they can't \
                         be merged"
                    ));
                } else if clock.is_too_far() && !self.is_forced {
                    self.objections.push(format!(
                        "the clock of the coordinator's Redis is {clock} of that of worker {worker} on {host}, and 50 ms \
                         are allowed: synchronize them (NTP), or run with --force"
                    ));
                }
            }
            WorkerNews::Refused { host, why } => {
                self.objections.push(format!("worker {worker} on {host} can't take part: {why}"));
                known.stage = WorkerStage::Gone(why);
                known.host = host;
            }
            WorkerNews::Measured { record, gate } => {
                known.record.absorb(*record);
                known.gate = gate;
            }
            WorkerNews::Over { record, gate, missing } => {
                known.gate = gate;
                known.record.absorb(*record);
                known.missing = missing;
                known.stage = WorkerStage::Over;
            }
        }
    }

    /// The process of a worker has ended. That is as it should be if it is over.
    pub fn process_ended(&mut self, worker: u32, why: &str) {
        if let Some(known) = usize::try_from(worker).ok().and_then(|index| self.workers.get_mut(index)) {
            known.leave(why);
        }
    }

    /// Reports are expected from now on, whatever was before: the run starts, or the coordinator's Redis answers again.
    pub fn listen_from(&mut self, now: Instant) {
        for worker in &mut self.workers {
            worker.heard_at = Some(now);
        }
    }

    /// Workers that haven't reported for this long are gone.
    pub fn miss_silent(&mut self, now: Instant, limit: Duration) {
        for worker in &mut self.workers {
            let silent = worker.heard_at.map_or(Duration::ZERO, |heard| now.saturating_duration_since(heard));
            if silent > limit {
                worker.leave(&format!("it hasn't reported for {:.0} s", silent.as_secs_f64()));
            }
        }
    }

    /// The numbers of the workers that haven't come yet.
    pub fn awaited(&self) -> Vec<u32> {
        self.numbered(|stage| *stage == WorkerStage::Awaited)
    }

    /// Why the run can't start, or isn't whole, one sentence each.
    pub fn objections(&self) -> &[String] {
        &self.objections
    }

    /// Whether every worker is ready.
    pub fn are_all_ready(&self) -> bool {
        self.workers.iter().all(|worker| worker.stage == WorkerStage::Ready)
    }

    /// Whether every worker that is there has come to this gate.
    pub fn are_all_at(&self, gate: u32) -> bool {
        self.workers.iter().all(|worker| worker.gate >= gate || worker.has_left())
    }

    /// Whether a worker is over while another one isn't at the last gate: a stage of its pages failed.
    pub fn has_a_failed_stage(&self) -> bool {
        let is_early = |worker: &KnownWorker| worker.stage == WorkerStage::Over && worker.gate < self.last_gate;
        self.workers.iter().any(is_early)
    }

    /// Whether nothing more is to come of any worker.
    pub fn are_all_done(&self) -> bool {
        self.workers.iter().all(KnownWorker::has_left)
    }

    /// Workers that left before they were over, one sentence each.
    pub fn gone(&self) -> Vec<String> {
        let told = |(number, worker): (u32, &KnownWorker)| match &worker.stage {
            WorkerStage::Gone(why) => Some(format!(
                "worker {number} on {} was gone after {} s of the run: {why}; what it measured until then is in the \
                 result, and its logins under way are in no count",
                worker.host,
                worker.last_second()
            )),
            _ => None,
        };
        (0..).zip(&self.workers).filter_map(told).collect()
    }

    /// What is missing of the plan, as workers say it. What all say is said once.
    pub fn missing(&self) -> Vec<String> {
        let mut texts: Vec<(String, Vec<String>)> = vec![];
        for (number, worker) in (0..).zip(&self.workers) {
            let number: u32 = number;
            for text in &worker.missing {
                match texts.iter_mut().find(|(known, _)| known == text) {
                    Some((_, workers)) => workers.push(number.to_string()),
                    None => texts.push((text.clone(), vec![number.to_string()])),
                }
            }
        }
        let told = |(text, workers): (String, Vec<String>)| match &workers[..] {
            all if all.len() == self.workers.len() => text,
            [one] => format!("worker {one}: {text}"),
            some => format!("workers {}: {text}", some.join(", ")),
        };
        texts.into_iter().map(told).collect()
    }

    /// The record of each worker, and whether the worker is still there or has ended well.
    pub fn records(&self) -> impl Iterator<Item = (&WorkerRecord, bool)> + Clone {
        self.workers.iter().map(|worker| (&worker.record, !matches!(worker.stage, WorkerStage::Gone(_))))
    }

    /// What the result says of each worker.
    pub fn ends(&self) -> Vec<WorkerEnd> {
        let end = |(index, worker): (u32, &KnownWorker)| WorkerEnd {
            index,
            host: worker.host.clone(),
            is_complete: worker.stage == WorkerStage::Over,
            last_second: worker.last_second(),
            clock_ahead_us: worker.clock.ahead_us,
            clock_uncertainty_us: worker.clock.uncertainty_us,
        };
        (0..).zip(&self.workers).map(end).collect()
    }

    fn numbered(&self, is_it: impl Fn(&WorkerStage) -> bool) -> Vec<u32> {
        (0..).zip(&self.workers).filter(|(_, worker)| is_it(&worker.stage)).map(|(number, _)| number).collect()
    }
}

impl KnownWorker {
    fn has_left(&self) -> bool {
        matches!(self.stage, WorkerStage::Over | WorkerStage::Gone(_))
    }

    fn leave(&mut self, why: &str) {
        if !self.has_left() {
            self.stage = WorkerStage::Gone(why.to_owned());
        }
    }

    /// The last second of which it has reported the end.
    fn last_second(&self) -> u64 {
        self.record.counts.keys().next_back().map_or(0, |second| second + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        generator::LiveCounts,
        plan::{Arrivals, LoginPlan, PhoneSteps, RateCurve, ThinkTime, WayIn, WeightedWay},
    };

    fn offer() -> RunOffer {
        let plan = LoginPlan {
            seed: 1,
            pages: 100,
            opens_per_second: 50.0,
            hold_seconds: 0.0,
            rate: RateCurve::constant(10.0, 5.0),
            arrivals: Arrivals::Poisson,
            cool_down_seconds: 10.0,
            phone: PhoneSteps::None,
            think_time: ThinkTime { from: 0.0, to: 0.0 },
            ways: vec![WeightedWay { way: WayIn::WebSocket, weight: 3 }],
            refill: false,
            leaves_per_second: 0.0,
            reconnects_per_second: 0.0,
            late_after_seconds: 1.0,
        };
        RunOffer::new(&plan, 2, 0, 10, 16)
    }

    fn ready() -> WorkerNews {
        let RunOffer { program, plan_hash, .. } = offer();
        WorkerNews::Ready { program, plan_hash, host: "here".to_owned(), clock: ClockOffset::default() }
    }

    fn report(worker: u32, news: WorkerNews) -> WorkerReport {
        let number = u64::from(!matches!(news, WorkerNews::Ready { .. } | WorkerNews::Refused { .. }));
        WorkerReport { worker, process: 7 + u64::from(worker), number, news }
    }

    fn measured(second: u64, gate: u32) -> WorkerNews {
        let counts = [(second, LiveCounts::default())].into();
        WorkerNews::Measured { record: Box::new(WorkerRecord { counts, ..WorkerRecord::default() }), gate }
    }

    /// Both workers are ready.
    fn roll_call(now: Instant) -> RollCall {
        let mut call = RollCall::new(&offer());
        assert_eq!((call.awaited(), call.are_all_ready()), (vec![0, 1], false));
        call.heard(report(0, ready()), now);
        assert_eq!((call.awaited(), call.are_all_ready()), (vec![1], false));
        call.heard(report(1, ready()), now);
        assert!(call.are_all_ready() && call.objections().is_empty());
        call
    }

    #[test]
    fn workers_come_pass_a_gate_together_and_end() {
        let now = Instant::now();
        let mut call = roll_call(now);
        call.heard(report(0, measured(0, 1)), now);
        assert!(!call.are_all_at(1));
        call.heard(report(1, measured(0, 1)), now);
        assert!(call.are_all_at(1) && !call.are_all_done());
        for worker in [0, 1] {
            let missing = vec!["the run was stopped".to_owned(), format!("only {worker} pages")];
            call.heard(report(worker, WorkerNews::Over { record: Box::default(), gate: 1, missing }), now);
        }
        assert!(call.are_all_done() && call.gone().is_empty());
        assert_eq!(call.missing(), ["the run was stopped", "worker 0: only 0 pages", "worker 1: only 1 pages"]);
        // That it ends then is as it should be.
        call.process_ended(0, "exit status 0");
        assert!(call.ends().iter().all(|end| end.is_complete));
    }

    #[test]
    fn a_worker_whose_stage_failed_is_over_before_the_last_gate() {
        let now = Instant::now();
        let mut call = roll_call(now);
        call.heard(report(0, measured(3, 1)), now);
        assert!(!call.has_a_failed_stage());
        let missing = vec!["only 3 of 5 pages opened".to_owned()];
        call.heard(report(1, WorkerNews::Over { record: Box::default(), gate: 0, missing }), now);
        assert!(call.has_a_failed_stage());
    }

    #[test]
    fn a_worker_that_dies_or_falls_silent_is_named_with_the_second_and_holds_nobody_up() {
        let now = Instant::now();
        let mut call = roll_call(now);
        call.heard(report(0, measured(11, 1)), now);
        call.heard(report(1, measured(4, 0)), now);
        call.process_ended(1, "signal 9");
        let gone = call.gone();
        assert!(gone.len() == 1 && gone[0].starts_with("worker 1 on here was gone after 5 s of the run: signal 9"));
        assert!(call.are_all_at(1) && !call.are_all_done());
        let later = now + Duration::from_secs(16);
        call.miss_silent(now + Duration::from_secs(15), Duration::from_secs(15));
        assert_eq!(call.gone().len(), 1);
        call.miss_silent(later, Duration::from_secs(15));
        assert!(
            call.gone()[0].contains("worker 0 on here was gone after 12 s of the run: it hasn't reported for 16 s")
        );
        let ends: Vec<_> = call.ends().iter().map(|end| (end.is_complete, end.last_second)).collect();
        assert_eq!(ends, [(false, 12), (false, 5)]);
    }

    #[test]
    fn silence_is_counted_anew_after_the_redis_was_away() {
        let now = Instant::now();
        let mut call = roll_call(now);
        call.listen_from(now + Duration::from_secs(60));
        call.miss_silent(now + Duration::from_secs(70), Duration::from_secs(15));
        assert!(call.gone().is_empty());
    }

    #[test]
    fn what_cannot_be_merged_is_an_objection_by_name() {
        let now = Instant::now();
        let objection = |reports: Vec<WorkerReport>| {
            let mut call = RollCall::new(&offer());
            for report in reports {
                call.heard(report, now);
            }
            call.objections().join("; ")
        };
        let with = |change: fn(&mut ProgramVersion, &mut String, &mut ClockOffset)| {
            let mut news = ready();
            if let WorkerNews::Ready { program, plan_hash, clock, .. } = &mut news {
                change(program, plan_hash, clock);
            }
            objection(vec![report(1, news)])
        };
        let twice = vec![report(0, ready()), WorkerReport { process: 99, ..report(0, ready()) }];
        let refused = WorkerNews::Refused { host: "there".to_owned(), why: "no descriptors".to_owned() };
        for (told, says) in [
            (
                with(|program, _, _| program.version = "0.0.1".to_owned()),
                "worker 1 on here is scenecast-loadtest 0.0.1",
            ),
            (with(|_, plan_hash, _| *plan_hash = "f00".to_owned()), "worker 1 on here has the plan f00"),
            (with(|_, _, clock| clock.ahead_us = -60_000), "is 60.0 ms behind ± 0.0 ms of that of worker 1"),
            (objection(twice), "two processes say that they are worker 0"),
            (objection(vec![report(2, ready())]), "number 2, and there are 2, from 0"),
            (objection(vec![report(1, refused)]), "worker 1 on there can't take part: no descriptors"),
        ] {
            assert!(told.contains(says), "{told}");
        }
        let mut forced_offer = offer();
        forced_offer.is_forced = true;
        let mut forced = RollCall::new(&forced_offer);
        let RunOffer { program, plan_hash, .. } = offer();
        let clock = ClockOffset { ahead_us: 60_000, uncertainty_us: 0 };
        forced.heard(report(0, WorkerNews::Ready { program, plan_hash, host: String::new(), clock }), now);
        assert!(forced.objections().is_empty());
    }

    #[test]
    fn reports_that_are_missing_are_told_and_one_that_comes_twice_is_not() {
        let now = Instant::now();
        let mut call = roll_call(now);
        call.heard(report(0, measured(0, 0)), now);
        call.heard(report(0, measured(0, 0)), now);
        assert!(call.objections().is_empty());
        call.heard(WorkerReport { number: 4, ..report(0, measured(3, 0)) }, now);
        assert_eq!(
            call.objections(),
            ["2 reports of worker 0 on here are missing: the Redis of the coordinator has lost data"]
        );
    }

    #[test]
    fn reports_of_a_second_process_of_the_same_number_change_nothing() {
        let now = Instant::now();
        let mut call = roll_call(now);
        call.heard(WorkerReport { process: 99, ..report(0, measured(30, 5)) }, now);
        assert_eq!((call.ends()[0].last_second, call.are_all_at(1)), (0, false));
    }
}
