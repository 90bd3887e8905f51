//! One threshold: its text, and whether it holds.

use std::{fmt, str::FromStr, time::Duration};

use super::{
    metric::MetricName,
    quantity::{Quantity, read},
};
use crate::results::{RunResult, ThresholdOutcome};

/// A threshold, such as `response.p99 < 50ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    metric: MetricName,
    /// What the metric is divided by, if anything.
    divisor: Option<MetricName>,
    comparison: Comparison,
    limit: f64,
    /// How long people log in before it may end the run; `None` if it never does.
    abort_after: Option<Duration>,
}

/// Why a text is no threshold. Each error repeats the part that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    #[error("{0:?} has no <, <=, ==, >= or >; a threshold is for example: response.p99 < 50ms")]
    NoComparison(String),
    #[error("nothing is measured by the name {0:?}; docs/load-testing.md lists the names")]
    UnknownMetric(String),
    #[error("{0:?} is not a number with a unit")]
    NoNumber(String),
    #[error("{metric:?} is not measured in the unit of {limit:?}; it takes {units}")]
    WrongUnit { metric: String, limit: String, units: &'static str },
    #[error(
        "{0:?} doesn't say when a run ends; it is for example: lost == 0 abort, or response.p99 < 50ms abort after 10s"
    )]
    WrongAbort(String),
    #[error("{0:?} divides what has different units")]
    WrongRatio(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
}

/// Longer signs come first, because the shorter ones are in them.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let split = |(sign, comparison): &(&str, Comparison)| {
            let (left, right) = text.split_once(sign)?;
            Some((left.trim(), *comparison, right.trim()))
        };
        let Some((left, comparison, right)) = COMPARISONS.iter().find_map(split) else {
            return Err(ThresholdError::NoComparison(text.to_owned()));
        };
        let (right, abort_after) = match right.split_once(" abort") {
            Some((limit, when)) => (limit.trim_end(), Some(abort_after(when)?)),
            None => (right, None),
        };
        let name = |text: &str| MetricName::read(text).ok_or_else(|| ThresholdError::UnknownMetric(text.to_owned()));
        let (metric, divisor) = match left.split_once('/') {
            Some((metric, divisor)) => (name(metric.trim())?, Some(name(divisor.trim())?)),
            None => (name(left)?, None),
        };
        let quantity = match &divisor {
            Some(divisor) if divisor.quantity() != metric.quantity() => {
                return Err(ThresholdError::WrongRatio(left.to_owned()));
            }
            Some(_) => Quantity::Count,
            None => metric.quantity(),
        };
        let (limit, unit) = read(right).ok_or_else(|| ThresholdError::NoNumber(right.to_owned()))?;
        if unit != quantity {
            let (metric, limit) = (left.to_owned(), right.to_owned());
            return Err(ThresholdError::WrongUnit { metric, limit, units: quantity.units() });
        }
        Ok(Self { text: text.trim().to_owned(), metric, divisor, comparison, limit, abort_after })
    }
}

impl Threshold {
    /// Whether a result keeps it. What was not measured keeps nothing.
    pub fn check(&self, result: &RunResult) -> ThresholdOutcome {
        let value = self.metric.value(result);
        let value = match &self.divisor {
            None => value,
            Some(divisor) => {
                value.zip(divisor.value(result)).filter(|(_, by)| *by != 0.0).map(|(value, by)| value / by)
            }
        };
        let holds = value.is_some_and(|value| self.comparison.holds(value, self.limit));
        ThresholdOutcome { text: self.text.clone(), value, limit: self.limit, holds }
    }

    /// Whether it may end a run early.
    pub fn may_abort(&self) -> bool {
        self.abort_after.is_some()
    }

    /// Whether a run in which people have logged in for this long ends, because its result so far doesn't keep the
    /// threshold. What isn't measured yet ends nothing.
    pub fn aborts(&self, result: &RunResult, loaded_for: Duration) -> bool {
        let outcome = self.check(result);
        self.abort_after.is_some_and(|after| loaded_for >= after) && outcome.value.is_some() && !outcome.holds
    }
}

/// Reads what follows `abort`: nothing, or `after 10s`.
fn abort_after(when: &str) -> Result<Duration, ThresholdError> {
    let wrong = || ThresholdError::WrongAbort(format!("abort{when}"));
    if when.trim().is_empty() {
        return Ok(Duration::ZERO);
    }
    let time = when.trim().strip_prefix("after ").ok_or_else(wrong)?;
    match read(time.trim()) {
        Some((millis, Quantity::Time)) => Duration::try_from_secs_f64(millis / 1e3).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

impl Comparison {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::AtMost => value <= limit,
            Self::Below => value < limit,
            Self::AtLeast => value >= limit,
            Self::Above => value > limit,
            Self::Equal => (value - limit).abs() <= f64::EPSILON * limit.abs(),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        measure::Latency,
        plan::{LoginPlan, Phase, RateCurve},
        results::{Funnel, HistogramRecord, LoginCost, PhaseResult, ProcessRole, RoleCost, TargetInfo},
    };

    fn record(millis: u64) -> HistogramRecord {
        let mut latency = Latency::default();
        latency.record(Duration::from_millis(millis));
        HistogramRecord::of(&latency)
    }

    /// A phase whose responses took this long, and whose logins cost 300 µs in gateways and 200 in the generator.
    fn phase(phase: Phase, millis: u64) -> PhaseResult {
        let role = |cpu_us_per_login, rss_bytes_per_page| RoleCost {
            cpu_us_per_login,
            rss_bytes_per_page,
            rss_bytes: 5_000_000,
            ..RoleCost::default()
        };
        let roles =
            BTreeMap::from([(ProcessRole::Gateway, role(300.0, 2500.0)), (ProcessRole::Generator, role(200.0, 0.0))]);
        PhaseResult {
            phase,
            from_seconds: 0.0,
            to_seconds: 10.0,
            response: record(millis),
            service: record(millis),
            lateness: record(1),
            open: HistogramRecord::default(),
            funnel: Funnel { accepted: 50, lost: 1, ..Funnel::default() },
            cost: Some(LoginCost { logins: 50, opens: 0, roles, cpu_us: 300.0 }),
        }
    }

    fn result() -> RunResult {
        let plan = LoginPlan::plain(10, RateCurve::constant(1.0, 5.0));
        let mut result = RunResult::new(plan, TargetInfo::default());
        result.phases = vec![phase(Phase::Load, 20), phase(Phase::Fault, 900)];
        result.funnel = Funnel { accepted: 1000, lost: 2, ..Funnel::default() };
        result.funnel.problems.insert("crowded".to_owned(), 7);
        result
    }

    fn outcome(text: &str) -> ThresholdOutcome {
        text.parse::<Threshold>().unwrap_or_else(|error| panic!("{text}: {error}")).check(&result())
    }

    #[test]
    fn thresholds_hold_or_not() {
        for (text, holds) in [
            ("response.p99 < 50ms", true),
            ("response.p99 < 0.02 s", false),
            ("service.max<=20100us", true),
            ("fault.response.p99 < 50ms", false),
            ("fault.response.p99 < 2s", true),
            ("response.count == 1", true),
            ("lost == 0", false),
            ("lost == 2", true),
            ("load.lost <= 1", true),
            ("lost / accepted < 0.1%", false),
            ("lost / accepted <= 0.2%", true),
            ("accepted > 999", true),
            ("accepted >= 1001", false),
            ("problems == 7", true),
            ("cpu.login < 0.4ms", true),
            ("cpu.login / cpu.generator.login <= 1.5", true),
            ("cpu.gateway.login / cpu.generator.login < 1.4", false),
            ("load.rss.gateway.page <= 2.5KB", true),
            ("rss.gateway < 5MB", false),
            ("rate.reached >= 0", true),
        ] {
            assert_eq!(outcome(text).holds, holds, "{text}: {:?}", outcome(text));
        }
    }

    #[test]
    fn what_was_not_measured_holds_nothing() {
        for text in ["hold.response.p99 < 9s", "open.p99 < 9s", "cpu.redis.login < 9s", "rss.gateway.page < 9MB"] {
            assert_eq!((outcome(text).value, outcome(text).holds), (None, false), "{text}");
        }
        assert_eq!(outcome("lost / doubled < 1").value, None);
    }

    #[test]
    fn a_threshold_ends_a_run_only_if_it_says_so_after_its_time_and_by_what_was_measured() {
        for (text, loaded_for, aborts) in [
            ("lost == 0", 100, false),
            ("lost == 0 abort", 0, true),
            ("lost == 2 abort", 0, false),
            ("response.p99 < 10ms abort after 10s", 9, false),
            ("response.p99 < 10ms abort after 10s", 10, true),
            ("response.p99 < 10ms abort after 500ms", 1, true),
            // Nothing was measured.
            ("hold.response.p99 < 10ms abort", 10, false),
        ] {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(threshold.aborts(&result(), Duration::from_secs(loaded_for)), aborts, "{text}");
            assert_eq!((threshold.may_abort(), threshold.to_string()), (text.contains("abort"), text.to_owned()));
        }
    }

    #[test]
    fn a_text_that_is_no_threshold_is_refused_with_its_wrong_part() {
        for (text, says) in [
            ("", "has no <"),
            ("response.p99", "has no <"),
            ("response.p98 < 1ms", "\"response.p98\""),
            ("respond.p99 < 1ms", "\"respond.p99\""),
            ("load.rate.asked > 1", "\"load.rate.asked\""),
            ("cpu.nginx.login < 1ms", "\"cpu.nginx.login\""),
            ("load. < 1", "\"load.\""),
            ("response.p99 < fast", "\"fast\" is not a number"),
            ("response.p99 < nanms", "is not a number"),
            ("response.p99 < infs", "is not a number"),
            ("response.p99 < 50", "it takes us, ms or s"),
            ("lost < 5ms", "it takes no unit, or %"),
            ("rss.gateway < 5s", "it takes B, KB, MB or GB"),
            ("lost / response.p99 < 1", "different units"),
            ("lost / accepted / planned < 1", "\"accepted / planned\""),
            ("lost < 1 < 2", "\"1 < 2\" is not a number"),
            ("lost < 1 aborts", "\"aborts\" doesn't say when"),
            ("lost < 1 abort after", "doesn't say when a run ends"),
            ("lost < 1 abort after 5", "doesn't say when a run ends"),
            ("lost < 1 abort after -5s", "doesn't say when a run ends"),
            ("lost abort < 1", "\"lost abort\""),
        ] {
            let refused = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
