//! Orders and reports, as JSON; and which programs can work together.

use serde::{Deserialize, Serialize};

use super::{clock_offset::ClockOffset, record::WorkerRecord};
use crate::plan::{LoginPlan, PageStages, Segment};

/// Grows whenever orders or reports change.
const PROTOCOL: u32 = 1;

/// A build of this program. Only workers and coordinators of the same one work together: others may plan, time or count
/// differently, and nobody would see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramVersion {
    pub version: String,
    /// `release` or `debug`.
    pub build: String,
    pub protocol: u32,
}

impl ProgramVersion {
    /// This program's.
    pub fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            protocol: PROTOCOL,
        }
    }
}

impl std::fmt::Display for ProgramVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} build, protocol {})", self.version, self.build, self.protocol)
    }
}

/// What the coordinator tells all workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    Offer(Box<RunOffer>),
    /// The run starts at this time of the coordinator's Redis, in microseconds since 1970.
    Start {
        at_us: u64,
    },
    /// This gate between two phases opens at that time.
    Pass {
        gate: u32,
        at_us: u64,
    },
    /// Nothing new begins, and what is under way ends. The text says why.
    Stop {
        why: String,
    },
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOffer {
    pub program: ProgramVersion,
    /// The plan as JSON: a program of another version may not understand it, and has to say so.
    plan: String,
    /// [`LoginPlan::hash`].
    pub plan_hash: String,
    pub page_stages: PageStages,
    pub workers: u32,
    /// The number of the first person who logs in, and how many people there are. No two workers share one.
    pub first_person: u64,
    pub people: u64,
    /// How many source addresses each worker has.
    pub sources: u32,
    /// Whether the run goes on where something would run out, or clocks differ.
    pub is_forced: bool,
    /// After so many seconds without the coordinator's Redis a worker gives up.
    pub silent_seconds: f64,
}

/// Why a worker doesn't take an offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    #[error("this worker is scenecast-loadtest {ours}, and its coordinator is {theirs}; use the same binary for both")]
    OtherVersion { ours: ProgramVersion, theirs: ProgramVersion },
    #[error(
        "this worker understands the coordinator's plan {offered} as another one ({read}); use the same binary for both"
    )]
    OtherPlan { offered: String, read: String },
    #[error("there is no worker {index} in a run with {workers} workers; they count from 0")]
    NoSuchWorker { index: u32, workers: u32 },
}

impl RunOffer {
    /// An offer of this plan by this program.
    pub fn new(plan: &LoginPlan, workers: u32, first_person: u64, people: u64, sources: u32) -> Self {
        Self {
            program: ProgramVersion::this(),
            plan: serde_json::to_string(plan).expect("numbers and names can be written as JSON"),
            plan_hash: plan.hash(),
            page_stages: PageStages::none(plan.pages),
            workers,
            first_person,
            people,
            sources,
            is_forced: false,
            silent_seconds: 15.0,
        }
    }

    /// What worker `index` has to do. Fails if it can't be sure to do the same as the others.
    pub fn take(&self, index: u32) -> Result<(LoginPlan, Segment), OfferError> {
        let ours = ProgramVersion::this();
        if ours != self.program {
            return Err(OfferError::OtherVersion { ours, theirs: self.program.clone() });
        }
        let other = |read: String| OfferError::OtherPlan { offered: self.plan_hash.clone(), read };
        let plan: LoginPlan = serde_json::from_str(&self.plan).map_err(|error| other(error.to_string()))?;
        if plan.hash() != self.plan_hash {
            return Err(other(plan.hash()));
        }
        let segment =
            Segment::new(index, self.workers).map_err(|_| OfferError::NoSuchWorker { index, workers: self.workers })?;
        Ok((plan, segment))
    }

    /// The numbers of the people of worker `index`: as many for each, at least one.
    pub fn people_of(&self, index: u32) -> std::ops::RangeInclusive<u64> {
        let each = (self.people / u64::from(self.workers)).max(1);
        let first = self.first_person + u64::from(index) * each;
        first..=first + each - 1
    }

    /// The numbers of the people of all workers.
    pub fn all_people(&self) -> std::ops::RangeInclusive<u64> {
        self.first_person..=*self.people_of(self.workers - 1).end()
    }
}

/// What a worker tells the coordinator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// Its number, counted from 0.
    pub worker: u32,
    /// A random number of the process, so that two with the same `worker` are told apart.
    pub process: u64,
    /// How many reports it has sent before.
    pub number: u64,
    pub news: WorkerNews,
}

/// What a worker has to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerNews {
    /// It has the plan, reaches the target, and waits for the start.
    Ready { program: ProgramVersion, plan_hash: String, host: String, clock: ClockOffset },
    /// It can't take part.
    Refused { host: String, why: String },
    /// What is new in its record, and the gate at which it waits.
    Measured { record: Box<WorkerRecord>, gate: u32 },
    /// It is done: the last of its record, the last gate that it came to, and what of its plan is missing, one sentence each.
    Over { record: Box<WorkerRecord>, gate: u32, missing: Vec<String> },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RateCurve;

    fn offer() -> RunOffer {
        let plan = LoginPlan::plain(100, RateCurve::constant(10.0, 5.0));
        RunOffer::new(&plan, 3, 1000, 10, 16)
    }

    #[test]
    fn an_offer_of_the_same_program_is_taken() {
        let json = serde_json::to_string(&Order::Offer(Box::new(offer()))).unwrap();
        let Order::Offer(read) = serde_json::from_str(&json).unwrap() else { panic!("{json}") };
        let (plan, segment) = read.take(2).unwrap();
        assert_eq!((plan.hash(), segment.index(), segment.of()), (offer().plan_hash, 2, 3));
    }

    #[test]
    fn an_offer_of_another_program_or_of_a_plan_that_is_read_differently_is_refused_with_what_to_do() {
        let refusal = |change: fn(&mut RunOffer), index| {
            let mut offer = offer();
            change(&mut offer);
            offer.take(index).unwrap_err().to_string()
        };
        for (refused, says) in [
            (refusal(|offer| offer.program.version = "9.9.9".to_owned(), 0), "its coordinator is 9.9.9"),
            (refusal(|offer| offer.program.build = "other".to_owned(), 0), "other build"),
            (refusal(|offer| offer.program.protocol += 1, 0), "use the same binary"),
            (refusal(|offer| offer.plan_hash = "0123".to_owned(), 0), "plan 0123 as another one"),
            (refusal(|offer| offer.plan = offer.plan.replace("100", "101"), 0), "as another one"),
            (refusal(|offer| offer.plan = "{}".to_owned(), 0), "missing field"),
            (refusal(|_| {}, 3), "no worker 3 in a run with 3 workers"),
        ] {
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn workers_share_no_person_and_each_has_one() {
        let people: Vec<_> = (0..3).map(|index| offer().people_of(index)).collect();
        assert_eq!(people, [1000..=1002, 1003..=1005, 1006..=1008]);
        let few = RunOffer { people: 2, ..offer() };
        assert_eq!((few.people_of(2), few.all_people()), (1002..=1002, 1000..=1002));
    }
}
