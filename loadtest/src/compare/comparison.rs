//! What became better or worse between two results of one plan. No I/O.

use super::{
    bootstrap::{
        ChangeInterval, FEWEST_SECONDS, PercentileStatistics, RatioStatistics, SecondTimes, Statistics,
        change_intervals, estimates,
    },
    comparable::{self, NotComparableError},
};
use crate::{
    measure::{HistogramError, Latency},
    plan::Phase,
    report::numbers::float,
    results::{Funnel, HistogramRecord, ProcessRole, RunResult, SecondResult},
};

/// What random choices of the bootstrap begin with. Two comparisons of the same files say the same.
const SEED: u64 = 1;
/// A percentile that rests on fewer slower logins is not judged.
const FEWEST_SLOWER: f64 = 10.0;
/// More seconds than this are taken together, so that a long run is compared as quickly.
const MOST_SECONDS: usize = 600;
/// The percentiles that are compared.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// Why two results have no comparison.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    #[error(transparent)]
    NotComparable(#[from] NotComparableError),
    #[error("the result {which} is damaged: second {second}: a histogram can't be read: {source}; measure again")]
    Damaged { which: &'static str, second: u64, source: HistogramError },
}

/// Two results of one plan, compared.
#[derive(Debug, Clone, PartialEq)]
pub struct RunComparison {
    pub(super) metrics: Vec<ComparedMetric>,
    /// Changes up to this part of what was are no news: 0.05 is 5 %.
    pub(super) noise: f64,
    /// Why nothing can be concluded, one sentence each.
    pub(super) doubts: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// One metric of two results.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ComparedMetric {
    pub(super) name: String,
    pub(super) unit: MetricUnit,
    pub(super) before: Option<f64>,
    pub(super) after: Option<f64>,
    pub(super) interval: Option<ChangeInterval>,
    pub(super) outcome: ChangeOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricUnit {
    Milliseconds,
    Microseconds,
    PerSecond,
    Bytes,
    /// Whole logins.
    Logins,
}

/// What became of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeOutcome {
    Better,
    Worse,
    /// Whatever the change is, it is smaller than the noise.
    Same,
    Unknown(UnknownReason),
}

/// Why it can't be told whether a metric changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownReason {
    /// The interval has changes in it that matter, and others that don't.
    TooMuchSpread,
    TooFewLogins,
    TooFewSeconds,
    NotMeasured,
}

/// One of the histograms of a second.
type SecondTimesOf = fn(&SecondResult) -> &HistogramRecord;

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GoodDirection {
    Up,
    Down,
}

impl RunComparison {
    /// Compares. Changes up to `noise`, as a part of what was, are no news.
    pub fn new(before: &RunResult, after: &RunResult, noise: f64) -> Result<Self, CompareError> {
        comparable::check(before, after)?;
        let mut metrics = vec![promises(&before.funnel, &after.funnel)];
        for phase in [Phase::Load, Phase::Fault] {
            if [before, after].into_iter().any(|result| result.phase(phase).is_none()) {
                continue;
            }
            let kinds: [(&str, SecondTimesOf); 2] =
                [("response", |second| &second.response), ("service", |second| &second.service)];
            for (kind, times) in kinds {
                let was = second_times(before, "before", phase, times)?;
                let is = second_times(after, "after", phase, times)?;
                metrics.extend(percentiles(&format!("{kind} in {phase}"), was, is, noise));
            }
            let compare = |name: &str, unit, good, of: fn(&RunResult, Phase) -> RatioStatistics| {
                metric(format!("{name} in {phase}"), unit, good, &of(before, phase), &of(after, phase), noise)
            };
            metrics.extend([
                compare("logins delivered a second", MetricUnit::PerSecond, GoodDirection::Up, delivered),
                compare("CPU a login", MetricUnit::Microseconds, GoodDirection::Down, cpu_of_logins),
            ]);
        }
        metrics.push(memory(before, after, noise));
        metrics.retain(|metric| metric.before.is_some() || metric.after.is_some());
        let doubts = comparable::doubts(before, after);
        Ok(Self { metrics, noise, doubts, notes: comparable::notes(before, after) })
    }

    pub(super) fn with(&self, outcome: ChangeOutcome) -> impl Iterator<Item = &ComparedMetric> {
        self.metrics.iter().filter(move |metric| metric.outcome == outcome)
    }

    /// Whether more logins were lost, doubled or mixed up than before.
    pub(super) fn breaks_the_promise(&self) -> bool {
        self.with(ChangeOutcome::Worse).any(|metric| metric.unit == MetricUnit::Logins)
    }
}

fn promises(before: &Funnel, after: &Funnel) -> ComparedMetric {
    let broken = |funnel: &Funnel| funnel.lost + funnel.doubled + funnel.mixed_up;
    let [was, is] = [before, after].map(broken);
    let outcome = match is.cmp(&was) {
        std::cmp::Ordering::Less => ChangeOutcome::Better,
        std::cmp::Ordering::Equal => ChangeOutcome::Same,
        std::cmp::Ordering::Greater => ChangeOutcome::Worse,
    };
    let name = "logins lost, doubled or mixed up".to_owned();
    ComparedMetric {
        name,
        unit: MetricUnit::Logins,
        before: Some(float(was)),
        after: Some(float(is)),
        interval: None,
        outcome,
    }
}

/// The seconds that lie wholly in a phase: a part of a second has fewer logins, and says nothing of a rate. Of a long phase
/// several are taken together, as one.
fn seconds(result: &RunResult, phase: Phase) -> Vec<Vec<&SecondResult>> {
    let is_whole = |second: &&SecondResult| {
        let from = float(second.second);
        let mut parts = result.phases.iter().filter(|part| part.phase == phase);
        parts.any(|part| part.from_seconds <= from && from + 1.0 <= part.to_seconds)
    };
    let seconds: Vec<&SecondResult> = result.seconds.iter().filter(is_whole).collect();
    let together = seconds.len().div_ceil(MOST_SECONDS).max(1);
    seconds.chunks(together).map(<[_]>::to_vec).collect()
}

fn second_times(
    result: &RunResult,
    which: &'static str,
    phase: Phase,
    times: SecondTimesOf,
) -> Result<SecondTimes, CompareError> {
    let mut histograms = vec![];
    for seconds in seconds(result, phase) {
        let mut together = Latency::default();
        for second in seconds {
            let damaged = |source| CompareError::Damaged { which, second: second.second, source };
            together.merge(&times(second).latency().map_err(damaged)?);
        }
        histograms.push(together);
    }
    Ok(SecondTimes::new(&histograms))
}

fn percentiles(name: &str, before: SecondTimes, after: SecondTimes, noise: f64) -> Vec<ComparedMetric> {
    let logins = float(before.count().min(after.count()));
    let [before, after] = [before, after]
        .map(|times| PercentileStatistics { times, percents: PERCENTILES.map(|(_, percent)| percent).to_vec() });
    let names = PERCENTILES.map(|(percentile, _)| format!("{percentile} of {name}")).to_vec();
    let mut metrics = metrics(names, MetricUnit::Milliseconds, GoodDirection::Down, &before, &after, noise);
    for (metric, (_, percent)) in metrics.iter_mut().zip(PERCENTILES) {
        let slower = logins * (1.0 - percent / 100.0);
        if slower < FEWEST_SLOWER - 1e-6 && metric.before.is_some() {
            metric.interval = None;
            metric.outcome = ChangeOutcome::Unknown(UnknownReason::TooFewLogins);
        }
    }
    metrics
}

fn delivered(result: &RunResult, phase: Phase) -> RatioStatistics {
    let heard = |seconds: Vec<&SecondResult>| {
        (float(seconds.iter().map(|second| second.heard).sum()), float(seconds.len() as u64))
    };
    RatioStatistics { seconds: seconds(result, phase).into_iter().map(heard).collect() }
}

/// CPU time of everything under test, in microseconds, and logins, for each second.
fn cpu_of_logins(result: &RunResult, phase: Phase) -> RatioStatistics {
    let tested: Vec<_> = result.processes.iter().filter(|process| process.role.is_under_test()).collect();
    if tested.is_empty() {
        return RatioStatistics { seconds: vec![] };
    }
    let of_seconds = |seconds: Vec<&SecondResult>| {
        let from = seconds.first().map_or(0.0, |first| float(first.second));
        let to = seconds.last().map_or(0.0, |last| float(last.second) + 1.0);
        let cpu: f64 = tested.iter().map(|process| process.cpu_between(from, to)).sum();
        (cpu * 1e6, float(seconds.iter().map(|second| second.heard).sum()))
    };
    RatioStatistics { seconds: seconds(result, phase).into_iter().map(of_seconds).collect() }
}

fn memory(before: &RunResult, after: &RunResult, noise: f64) -> ComparedMetric {
    let of = |result: &RunResult| {
        let cost = result.before_logins()?.cost.as_ref()?;
        let holds_pages = |role: &ProcessRole| matches!(role, ProcessRole::Gateway | ProcessRole::Peer);
        let bytes: f64 =
            cost.roles.iter().filter(|(role, _)| holds_pages(role)).map(|(_, cost)| cost.rss_bytes_per_page).sum();
        (bytes > 0.0).then_some(bytes)
    };
    let (before, after) = (of(before), of(after));
    // It is one value a run, without an interval.
    let outcome = match (before, after) {
        (Some(before), Some(after)) => {
            let change = after / before - 1.0;
            judge(ChangeInterval { low: change, high: change }, GoodDirection::Down, noise)
        }
        _ => ChangeOutcome::Unknown(UnknownReason::NotMeasured),
    };
    ComparedMetric { name: "memory a page".to_owned(), unit: MetricUnit::Bytes, before, after, interval: None, outcome }
}

fn metric(
    name: String,
    unit: MetricUnit,
    good: GoodDirection,
    before: &RatioStatistics,
    after: &RatioStatistics,
    noise: f64,
) -> ComparedMetric {
    metrics(vec![name], unit, good, before, after, noise).remove(0)
}

/// A metric for each number of the statistics.
fn metrics<S: Statistics>(
    names: Vec<String>,
    unit: MetricUnit,
    good: GoodDirection,
    before: &S,
    after: &S,
    noise: f64,
) -> Vec<ComparedMetric> {
    let unknown = match before.seconds().min(after.seconds()) {
        1..FEWEST_SECONDS => UnknownReason::TooFewSeconds,
        _ => UnknownReason::NotMeasured,
    };
    let mut metrics = vec![];
    let values = estimates(before).into_iter().zip(estimates(after));
    for ((name, interval), (before, after)) in names.into_iter().zip(change_intervals(before, after, SEED)).zip(values)
    {
        let outcome = interval.map_or(ChangeOutcome::Unknown(unknown), |interval| judge(interval, good, noise));
        metrics.push(ComparedMetric { name, unit, before, after, interval, outcome });
    }
    metrics
}

pub(super) fn judge(interval: ChangeInterval, good: GoodDirection, noise: f64) -> ChangeOutcome {
    let ChangeInterval { low, high } = interval;
    match good {
        _ if low >= -noise && high <= noise => ChangeOutcome::Same,
        GoodDirection::Down if low > noise => ChangeOutcome::Worse,
        GoodDirection::Down if high < -noise => ChangeOutcome::Better,
        GoodDirection::Up if high < -noise => ChangeOutcome::Worse,
        GoodDirection::Up if low > noise => ChangeOutcome::Better,
        _ => ChangeOutcome::Unknown(UnknownReason::TooMuchSpread),
    }
}
