//! What of a worker's measurements is new since its last report: a report each second stays small, however long the run.

use std::{collections::BTreeMap, time::Duration};

use super::record::{DescriptorUse, PhaseRecord, Processors, SecondRecord, WorkerRecord};
use crate::{
    generator::{LiveCounts, Measured},
    health::MachineTimes,
    measure::SecondTimings,
    plan::Phase,
    results::ProcessSample,
};

/// What a worker has, besides what its generator measured.
#[derive(Debug, Clone, Default)]
pub struct WorkerSamples<'a> {
    /// The counts at the end of each second.
    pub counts: &'a [LiveCounts],
    /// Its own process.
    pub process: &'a [ProcessSample],
    pub machine: &'a [(Phase, MachineTimes)],
    pub descriptors: DescriptorUse,
    pub pages_per_path: u64,
    pub processors: Processors,
}

/// Remembers what the coordinator has.
#[derive(Debug, Default)]
pub struct WorkerLog {
    /// How much each second had.
    seconds: BTreeMap<u64, SecondSize>,
    counts: usize,
    process: usize,
}

/// How much a second has. It only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SecondSize {
    planned: u64,
    sent: u64,
    heard: u64,
    timed: u64,
    late: u64,
}

impl SecondSize {
    fn of(second: &SecondTimings) -> Self {
        let SecondTimings { times, planned, sent, heard } = second;
        Self {
            planned: *planned,
            sent: *sent,
            heard: *heard,
            timed: times.response.count(),
            late: times.lateness.count(),
        }
    }
}

impl WorkerLog {
    /// Whether the coordinator doesn't have this second as it is now.
    pub fn is_new(&self, number: u64, second: &SecondTimings) -> bool {
        self.seconds.get(&number) != Some(&SecondSize::of(second))
    }

    /// What is new. It stays new until [`WorkerLog::sent`].
    pub fn new_parts(&self, measured: &Measured, samples: &WorkerSamples) -> WorkerRecord {
        let phases = measured.phases.iter().map(|(phase, (funnel, opens))| {
            let times = measured.timings.phases.get(phase).cloned().unwrap_or_default();
            (*phase, PhaseRecord::of(funnel.clone(), &times, opens))
        });
        let seconds = measured.timings.seconds.iter().filter(|(number, second)| self.is_new(**number, second));
        WorkerRecord {
            phases: phases.collect(),
            windows: measured.windows.clone(),
            seconds: seconds.map(|(number, second)| (*number, SecondRecord::of(second))).collect(),
            counts: (0..).zip(samples.counts.iter().copied()).skip(self.counts).collect(),
            process: samples.process.iter().skip(self.process).map(|sample| (at(sample), *sample)).collect(),
            // Of two that are of one phase the first is of its beginning.
            machine: samples.machine.iter().rev().copied().collect(),
            descriptors: samples.descriptors,
            pages_per_path: samples.pages_per_path,
            processors: samples.processors.clone(),
        }
    }

    /// The coordinator has this record, which was made of these measurements.
    pub fn sent(&mut self, record: &WorkerRecord, measured: &Measured) {
        let sizes = measured.timings.seconds.iter().map(|(number, second)| (*number, SecondSize::of(second)));
        self.seconds.extend(sizes);
        self.counts += record.counts.len();
        self.process += record.process.len();
    }
}

/// In microseconds.
fn at(sample: &ProcessSample) -> u64 {
    let at = Duration::try_from_secs_f64(sample.at_seconds).unwrap_or_default();
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::LoginTiming;

    fn login(measured: &mut Measured, planned: u64, heard: u64) {
        let [planned, heard] = [planned, heard].map(Duration::from_millis);
        measured.timings.planned(planned);
        measured.timings.sent(Phase::Load, planned, planned, Duration::ZERO);
        measured.timings.heard(LoginTiming { phase: Phase::Load, planned, sent: planned, heard });
    }

    #[test]
    fn only_seconds_that_changed_are_sent_again_also_when_a_login_ends_late() {
        let (mut log, mut measured) = (WorkerLog::default(), Measured::default());
        let samples = WorkerSamples { counts: &[LiveCounts::default(); 2], ..WorkerSamples::default() };
        login(&mut measured, 100, 110);
        login(&mut measured, 1100, 1110);
        let all = log.new_parts(&measured, &samples);
        assert_eq!((all.seconds.keys().copied().collect::<Vec<_>>(), all.counts.len()), (vec![0, 1], 2));
        // It wasn't sent.
        assert_eq!(log.new_parts(&measured, &samples), all);
        log.sent(&all, &measured);
        login(&mut measured, 200, 1200);
        let new = log.new_parts(&measured, &samples);
        assert_eq!((new.seconds.keys().copied().collect::<Vec<_>>(), new.counts.len()), (vec![0, 1], 0));
        log.sent(&new, &measured);
        assert_eq!(log.new_parts(&measured, &samples).seconds.len(), 0);
    }

    #[test]
    fn reports_together_are_the_whole_also_if_one_comes_twice() {
        let (mut log, mut measured) = (WorkerLog::default(), Measured::default());
        let mut together = WorkerRecord::default();
        for number in 0..5 {
            login(&mut measured, number * 700, number * 700 + 900);
            let counts = vec![LiveCounts { heard: number, ..LiveCounts::default() }; usize::try_from(number).unwrap()];
            let samples = WorkerSamples { counts: &counts, ..WorkerSamples::default() };
            let new = log.new_parts(&measured, &samples);
            together.absorb(new.clone());
            together.absorb(new.clone());
            log.sent(&new, &measured);
        }
        let whole = WorkerLog::default().new_parts(&measured, &WorkerSamples::default());
        assert_eq!((together.seconds, together.phases), (whole.seconds, whole.phases));
        assert_eq!(together.counts.len(), 4);
    }
}
