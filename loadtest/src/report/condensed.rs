//! Seconds, put together into fewer steps of time. Histograms are merged, so that percentiles stay percentiles.

use std::collections::BTreeMap;

use crate::{
    measure::{HistogramError, Latency},
    plan::Phase,
    results::SecondResult,
};

/// The lengths that a step may have, in seconds. They are easy to read on an axis.
const LENGTHS: [u64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

/// Some seconds of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeStep {
    /// Its first second, counted from the run's start.
    pub(super) from: u64,
    /// The phase at its start.
    pub(super) phase: Phase,
    pub(super) planned: u64,
    pub(super) sent: u64,
    pub(super) heard: u64,
    pub(super) opened: u64,
    pub(super) failed_opens: u64,
    pub(super) disconnected: u64,
    /// How many pages were connected at its end.
    pub(super) connected: u64,
    pub(super) response: Latency,
}

/// A second whose histogram can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("second {second}: the histogram of response can't be read: {source}")]
pub struct SecondError {
    second: u64,
    source: HistogramError,
}

/// The shortest length of a step, in seconds, with which this many seconds take at most `most` steps.
pub(super) fn step_length(seconds: u64, most: u64) -> u64 {
    let fits = |length: &u64| seconds.div_ceil(*length) <= most;
    LENGTHS.into_iter().find(fits).unwrap_or_else(|| seconds.div_ceil(most.max(1)))
}

/// How many seconds there are from the run's start to its last second.
pub(super) fn length(seconds: &[SecondResult]) -> u64 {
    seconds.last().map_or(0, |last| last.second.saturating_add(1))
}

/// The steps of this length, in seconds. Steps in which there is no second are left out.
pub(super) fn condense(seconds: &[SecondResult], length: u64) -> Result<Vec<TimeStep>, SecondError> {
    let mut steps: BTreeMap<u64, TimeStep> = BTreeMap::new();
    for second in seconds {
        let response = second.response.latency().map_err(|source| SecondError { second: second.second, source })?;
        let step = steps.entry(second.second / length).or_insert_with(|| TimeStep {
            from: second.second / length * length,
            phase: second.phase,
            planned: 0,
            sent: 0,
            heard: 0,
            opened: 0,
            failed_opens: 0,
            disconnected: 0,
            connected: 0,
            response: Latency::default(),
        });
        step.planned += second.planned;
        step.sent += second.sent;
        step.heard += second.heard;
        step.opened += second.opened;
        step.failed_opens += second.failed_opens;
        step.disconnected += second.disconnected;
        step.connected = second.connected;
        step.response.merge(&response);
    }
    Ok(steps.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::SampleRun;

    #[test]
    fn steps_are_as_short_as_the_space_allows() {
        for (seconds, most, length) in
            [(0, 60, 1), (60, 60, 1), (61, 60, 2), (150, 60, 5), (86_400, 60, 1800), (864_000, 60, 14_400)]
        {
            assert_eq!(step_length(seconds, most), length, "{seconds} in {most}");
        }
    }

    #[test]
    fn a_step_has_all_of_its_seconds_and_merges_their_histograms() {
        let result = SampleRun::default().result();
        let steps = condense(&result.seconds, 10).unwrap();
        let planned = |seconds: &[SecondResult]| seconds.iter().map(|second| second.planned).sum::<u64>();
        assert_eq!(steps.iter().map(|step| step.planned).sum::<u64>(), planned(&result.seconds));
        let third = &steps[2];
        assert_eq!((third.from, third.planned), (20, planned(&result.seconds[20..30])));
        assert_eq!(third.connected, result.seconds[29].connected);
        let mut merged = Latency::default();
        result.seconds[20..30].iter().for_each(|second| merged.merge(&second.response.latency().unwrap()));
        assert_eq!(third.response, merged);
    }

    #[test]
    fn a_histogram_that_cannot_be_read_is_named_by_its_second() {
        let mut result = SampleRun::default().result();
        result.seconds[12].response.hdr = "?".to_owned();
        let error = condense(&result.seconds, 1).unwrap_err().to_string();
        assert_eq!(error, "second 12: the histogram of response can't be read: it is not base64");
    }
}
