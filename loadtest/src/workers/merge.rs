//! Makes one measurement of the records of all workers. Histograms are merged, never averaged.

use std::collections::BTreeMap;

use super::record::WorkerRecord;
use crate::{
    generator::{LiveCounts, Measured, PhaseWindow},
    health::MachineTimes,
    measure::HistogramError,
    plan::Phase,
};

/// The records of all workers as one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MergedRun {
    pub measured: Measured,
    /// The counts of all workers at the end of each second.
    pub counts: Vec<LiveCounts>,
    /// Of the machine that had the least to spare under load.
    pub machine: Vec<(Phase, MachineTimes)>,
    /// The most descriptors that a worker had open.
    pub descriptors: u64,
    /// The lowest limit of descriptors of a worker.
    pub descriptors_limit: u64,
    /// The most pages of a worker that connect to one address, from one source address.
    pub pages_per_path: u64,
    /// How many processors the workers may use: those of each machine, once.
    pub cpus: u32,
}

/// Merges records, and of their seconds these. Each comes with whether its worker is still there: the pages of one that is gone are gone, too.
pub fn merge<'a>(
    records: impl Iterator<Item = (&'a WorkerRecord, bool)> + Clone,
    wants: impl Fn(u64) -> bool,
) -> Result<MergedRun, HistogramError> {
    let mut merged = MergedRun { descriptors_limit: u64::MAX, ..MergedRun::default() };
    for (record, _) in records.clone() {
        add_times(&mut merged.measured, record, &wants)?;
        add_windows(&mut merged.measured.windows, &record.windows);
        merged.descriptors = merged.descriptors.max(record.descriptors.used);
        merged.descriptors_limit = merged.descriptors_limit.min(record.descriptors.limit);
        merged.pages_per_path = merged.pages_per_path.max(record.pages_per_path);
    }
    let machines: BTreeMap<_, _> =
        records.clone().map(|(WorkerRecord { processors, .. }, _)| (&processors.host, processors.count)).collect();
    merged.cpus = machines.values().sum();
    merged.counts = counts(&records);
    merged.machine = busiest_machine(records.map(|(record, _)| &record.machine));
    Ok(merged)
}

fn add_times(
    measured: &mut Measured,
    record: &WorkerRecord,
    wants: impl Fn(u64) -> bool,
) -> Result<(), HistogramError> {
    for (phase, of_phase) in &record.phases {
        let (funnel, opens) = measured.phases.entry(*phase).or_default();
        funnel.add(&of_phase.funnel);
        opens.merge(&of_phase.opens()?);
        of_phase.times.add_to(measured.timings.phases.entry(*phase).or_default())?;
    }
    for (number, of_second) in record.seconds.iter().filter(|(number, _)| wants(**number)) {
        let second = measured.timings.seconds.entry(*number).or_default();
        second.planned += of_second.planned;
        second.sent += of_second.sent;
        second.heard += of_second.heard;
        of_second.times.add_to(&mut second.times)?;
    }
    Ok(())
}

/// A phase begins when the first worker begins it, and ends when the last one ends it. Each has its own pages.
fn add_windows(windows: &mut Vec<PhaseWindow>, of_worker: &[PhaseWindow]) {
    for theirs in of_worker {
        match windows.iter_mut().find(|window| window.phase == theirs.phase) {
            Some(window) => {
                window.from = window.from.min(theirs.from);
                window.to = window.to.zip(theirs.to).map(|(one, other)| one.max(other));
                window.connected += theirs.connected;
                window.over = window.over.max(theirs.over);
            }
            None => windows.push(*theirs),
        }
    }
    windows.sort_by_key(|window| window.from);
}

fn counts<'a>(records: &(impl Iterator<Item = (&'a WorkerRecord, bool)> + Clone)) -> Vec<LiveCounts> {
    let last_of = |(record, _): (&'a WorkerRecord, bool)| record.counts.keys().chain(record.seconds.keys()).max();
    let last = records.clone().filter_map(last_of).max();
    let Some(last) = last else { return vec![] };
    let at = |second: u64| {
        let mut all = LiveCounts::default();
        for (record, is_there) in records.clone() {
            let Some((at, counts)) = record.counts.range(..=second).next_back() else { continue };
            let is_connected = is_there || *at == second;
            all.connected += if is_connected { counts.connected } else { 0 };
            all.opened += counts.opened;
            all.failed_opens += counts.failed_opens;
            all.disconnected += counts.disconnected;
            all.planned += counts.planned;
            all.heard += counts.heard;
        }
        all
    };
    (0..=*last).map(at).collect()
}

fn busiest_machine<'a>(
    machines: impl Iterator<Item = &'a BTreeMap<Phase, MachineTimes>>,
) -> Vec<(Phase, MachineTimes)> {
    let idle = |times: &BTreeMap<Phase, MachineTimes>| match (times.get(&Phase::Load), times.get(&Phase::CoolDown)) {
        (Some(begin), Some(end)) => end.idle_share_since(begin),
        _ => 1.0,
    };
    let busiest = machines.min_by(|one, other| idle(one).total_cmp(&idle(other)));
    busiest.into_iter().flatten().map(|(phase, times)| (*phase, *times)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        measure::{Latency, TimingSet},
        results::Funnel,
        workers::record::{PhaseRecord, Processors, SecondRecord},
    };

    /// A worker whose logins in the load took these many milliseconds.
    fn record(millis: impl IntoIterator<Item = u64>) -> WorkerRecord {
        let mut times = TimingSet::default();
        millis.into_iter().for_each(|millis| times.response.record(Duration::from_millis(millis)));
        let count = times.response.count();
        let funnel = Funnel { delivered: count, ..Funnel::default() };
        let phase = PhaseRecord::of(funnel, &times, &Latency::default());
        let second = SecondRecord { planned: count, times: phase.times.clone(), ..SecondRecord::default() };
        let window = |phase, from, to| {
            let [from, to] = [from, to].map(Duration::from_secs);
            PhaseWindow { phase, from, to: Some(to), connected: count, over: to + from }
        };
        WorkerRecord {
            phases: BTreeMap::from([(Phase::Load, phase)]),
            windows: vec![window(Phase::Ramp, 0, count), window(Phase::Load, count, 10)],
            seconds: BTreeMap::from([(3, second)]),
            ..WorkerRecord::default()
        }
    }

    fn merged(records: &[(WorkerRecord, bool)]) -> MergedRun {
        merge(records.iter().map(|(record, is_there)| (record, *is_there)), |_| true).unwrap()
    }

    #[test]
    fn percentiles_are_of_all_times_and_not_averages() {
        // The slow worker has few logins. The mean of both 90th percentiles would be half of its.
        let merged = merged(&[(record([1; 950]), true), (record([500; 50]), true)]);
        let load = &merged.measured.timings.phases[&Phase::Load].response;
        assert!(load.percentile(90.0) < Duration::from_millis(2) && load.percentile(96.0) > Duration::from_millis(490));
        assert_eq!((load.count(), merged.measured.phases[&Phase::Load].0.delivered), (1000, 1000));
        let second = &merged.measured.timings.seconds[&3];
        assert_eq!((second.planned, second.times.response.count()), (1000, 1000));
    }

    #[test]
    fn a_phase_lasts_from_its_first_worker_to_its_last() {
        let merged = merged(&[(record([1; 4]), true), (record([1; 2]), true)]);
        let windows: Vec<_> =
            merged.measured.windows.iter().map(|window| (window.phase, window.from.as_secs())).collect();
        assert_eq!(windows, [(Phase::Ramp, 0), (Phase::Load, 2)]);
        assert_eq!(merged.measured.windows[0].to, Some(Duration::from_secs(4)));
        // The pages are those of all, and the last login is the last one of any.
        let [_, load] = &merged.measured.windows[..] else { panic!("{:?}", merged.measured.windows) };
        assert_eq!((load.connected, load.over), (6, Duration::from_secs(14)));
    }

    #[test]
    fn the_pages_of_a_worker_that_is_gone_are_gone_and_what_it_did_stays() {
        let counts = |heard: &[u64]| {
            let of = |heard: &u64| LiveCounts { connected: 7, heard: *heard, ..LiveCounts::default() };
            WorkerRecord { counts: (0..).zip(heard.iter().map(of)).collect(), ..WorkerRecord::default() }
        };
        let all = merged(&[(counts(&[1, 2, 3, 4]), true), (counts(&[5, 6]), false)]).counts;
        let told: Vec<_> = all.iter().map(|counts| (counts.connected, counts.heard)).collect();
        assert_eq!(told, [(14, 6), (14, 8), (7, 9), (7, 10)]);
        // One that is there and only late counts as it was.
        let late = merged(&[(counts(&[1, 2, 3]), true), (counts(&[5, 6]), true)]).counts;
        assert_eq!((late[2].connected, late[2].heard), (14, 9));
    }

    #[test]
    fn the_busiest_machine_speaks_for_all_and_nothing_merges_to_nothing() {
        let machine = |idle| {
            let times = |idle, all| MachineTimes { idle, all, retransmitted_segments: 0 };
            let machine = BTreeMap::from([(Phase::Load, times(0, 0)), (Phase::CoolDown, times(idle, 100))]);
            WorkerRecord { machine, ..WorkerRecord::default() }
        };
        let merged = merge([(&machine(90), true), (&machine(10), true)].into_iter(), |_| true).unwrap();
        assert_eq!(merged.machine[1].1.idle, 10);
        assert!(merge(std::iter::empty(), |_| true).unwrap().counts.is_empty());
    }

    #[test]
    fn processors_of_a_machine_are_counted_once_however_many_workers_it_has() {
        let at = |host: &str, count| {
            let processors = Processors { host: host.to_owned(), count };
            (WorkerRecord { processors, ..WorkerRecord::default() }, true)
        };
        assert_eq!(merged(&[at("one", 2), at("one", 2), at("other", 4)]).cpus, 6);
    }

    #[test]
    fn a_record_that_is_damaged_is_an_error() {
        let mut damaged = record([1]);
        damaged.seconds.get_mut(&3).unwrap().times.response = "?".to_owned();
        assert!(merge([(&damaged, true)].into_iter(), |_| true).is_err());
    }
}
