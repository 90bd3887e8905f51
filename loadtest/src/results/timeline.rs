//! Phases and seconds, with their histograms.

use serde::{Deserialize, Serialize};

use super::funnel::Funnel;
use crate::{
    measure::{HistogramError, Latency},
    plan::Phase,
    units::to_millis,
};

/// A histogram of times: its summary, and the whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistogramRecord {
    #[serde(flatten)]
    pub summary: LatencySummary,
    /// The whole, in `HdrHistogram`'s standard encoding (base64 of `V2Deflate`), in nanoseconds.
    pub hdr: String,
}

/// What people read of a histogram, in milliseconds. Everything is 0 if `count` is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatencySummary {
    pub count: u64,
    pub min_ms: f64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p75_ms: f64,
    pub p90_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

/// What was measured in one phase. Its histograms have what was planned in it, also if it came later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseResult {
    pub phase: Phase,
    /// When it began.
    pub from_seconds: f64,
    /// When it ended.
    pub to_seconds: f64,
    /// From the planned instant to the page: what a person waits.
    pub response: HistogramRecord,
    /// From the actual send to the page: what the servers took.
    pub service: HistogramRecord,
    /// From the planned instant, or from when its phone and page were ready, to the actual send: what the generator held up.
    pub lateness: HistogramRecord,
    /// From the planned instant of an open to the page's code: connecting, and what the servers took.
    #[serde(default)]
    pub open: HistogramRecord,
    /// What became of the logins that were planned in it, and of the pages that opened in it.
    pub funnel: Funnel,
    /// What logins in it cost, if they were many enough.
    #[serde(default)]
    pub cost: Option<super::processes::LoginCost>,
}

/// What was measured in one second. Its histograms have the logins that were planned in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecondResult {
    /// Its number, counted from the run's start.
    pub second: u64,
    /// The phase at its start.
    pub phase: Phase,
    /// How many logins were planned in it.
    pub planned: u64,
    /// How many messages that decide a login were sent in it.
    pub sent: u64,
    /// How many pages heard of their login in it.
    pub heard: u64,
    /// How many pages were connected at its end.
    pub connected: u64,
    /// How many pages showed their code in it.
    #[serde(default)]
    pub opened: u64,
    /// How many attempts to open a page failed in it.
    #[serde(default)]
    pub failed_opens: u64,
    /// How many pages lost their connection in it, or were sent away.
    #[serde(default)]
    pub disconnected: u64,
    pub response: HistogramRecord,
    pub service: HistogramRecord,
    pub lateness: HistogramRecord,
}

/// Something was broken meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultMark {
    /// What was broken, such as `gateway 1 killed`.
    pub what: String,
    pub from_seconds: f64,
    /// When it was mended; the same as `from_seconds` for what lasts no time.
    pub to_seconds: f64,
}

impl HistogramRecord {
    pub fn of(latency: &Latency) -> Self {
        Self {
            summary: LatencySummary::of(latency),
            hdr: if latency.is_empty() { String::new() } else { latency.encode() },
        }
    }

    /// The histogram itself. An empty text is an empty histogram.
    pub fn latency(&self) -> Result<Latency, HistogramError> {
        if self.hdr.is_empty() { Ok(Latency::default()) } else { Latency::decode(&self.hdr) }
    }
}

impl LatencySummary {
    pub fn of(latency: &Latency) -> Self {
        let at = |percent| to_millis(latency.percentile(percent));
        Self {
            count: latency.count(),
            min_ms: to_millis(latency.min()),
            mean_ms: to_millis(latency.mean()),
            p50_ms: at(50.0),
            p75_ms: at(75.0),
            p90_ms: at(90.0),
            p95_ms: at(95.0),
            p99_ms: at(99.0),
            p999_ms: at(99.9),
            max_ms: to_millis(latency.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_record_has_the_summary_and_the_whole() {
        let mut latency = Latency::default();
        (1..=1000).for_each(|micros| latency.record(Duration::from_micros(micros)));
        let record = HistogramRecord::of(&latency);
        assert_eq!(record.latency(), Ok(latency));
        let LatencySummary { count, p50_ms, p99_ms, max_ms, .. } = record.summary;
        assert_eq!(count, 1000);
        assert!((p50_ms - 0.5).abs() < 0.002 && (p99_ms - 0.99).abs() < 0.002 && (max_ms - 1.0).abs() < 0.002);
    }

    #[test]
    fn a_record_of_nothing_is_small_and_comes_back() {
        let record = HistogramRecord::of(&Latency::default());
        assert_eq!((record.hdr.as_str(), record.latency()), ("", Ok(Latency::default())));
    }
}
