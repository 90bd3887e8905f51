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
#[derive(Debug, Clone, PartialEq)]
pub struct RollCall {
    program: ProgramVersion,
    plan_hash: String,
    is_forced: bool,
    last_gate: u32,
    workers: Vec<KnownWorker>,
    /// Why the run can't start, or isn't whole, one sentence each.
    objections: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
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
        // It came twice, or after a later one, which told the same and more.
        if number < known.reports {
            return;
        }
        if number > known.reports {
            self.objections.push(format!(
                "{} reports of worker {worker} on {} are missing: the Redis of the coordinator has lost data",
                number - known.reports,
                known.host
            ));
        }
        known.reports = number + 1;
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
