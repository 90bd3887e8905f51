//! One threshold: its text, and whether it holds.

use std::{fmt, str::FromStr};

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
        Ok(Self { text: text.trim().to_owned(), metric, divisor, comparison, limit })
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
