//! A histogram of times (HDR): from a microsecond to an hour, to three digits. Merging loses nothing, so percentiles are
//! always taken of merged histograms, and never averaged.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer},
};

/// The smallest time that is told from 0, in nanoseconds.
const LOWEST: u64 = 1_000;
/// The longest time, in nanoseconds. A longer one counts as this long.
const HIGHEST: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;
const COARSE_DIGITS: u8 = 2;

/// A histogram of times, in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency(Histogram<u64>);

/// A text that is no histogram of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    #[error("it is not base64")]
    Base64,
    #[error("it is not a V2 histogram")]
    Encoding,
    #[error("it has times longer than an hour")]
    Range,
}

impl Default for Latency {
    fn default() -> Self {
        Self::with_digits(DIGITS)
    }
}

impl Latency {
    /// A histogram to two digits, a tenth as large. There is one for every second of a run.
    pub fn coarse() -> Self {
        Self::with_digits(COARSE_DIGITS)
    }

    fn with_digits(digits: u8) -> Self {
        // It grows with the times that come, so one without long times is small.
        let mut histogram = Histogram::new_with_bounds(LOWEST, 2 * LOWEST, digits).expect("fixed, valid bounds");
        histogram.auto(true);
        Self(histogram)
    }

    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(HIGHEST).min(HIGHEST);
        self.0.record(nanos).expect("a histogram that grows takes any time");
    }

    /// Adds everything that another one has.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("a histogram that grows takes any other");
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that this share of the times doesn't exceed, from 0 to 100; zero without any.
    pub fn percentile(&self, percent: f64) -> Duration {
        if self.is_empty() { Duration::ZERO } else { Duration::from_nanos(self.0.value_at_percentile(percent)) }
    }

    /// The mean; zero without any.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.0.mean() / 1e9)
    }

    /// The longest time; zero without any.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The shortest time; zero without any.
    pub fn min(&self) -> Duration {
        if self.is_empty() { Duration::ZERO } else { Duration::from_nanos(self.0.min()) }
    }

    /// In the standard encoding: base64 of `V2Deflate`, in nanoseconds.
    pub fn encode(&self) -> String {
        let mut bytes = vec![];
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).expect("memory takes it");
        STANDARD.encode(bytes)
    }

    /// Reads the standard encoding.
    pub fn decode(text: &str) -> Result<Self, HistogramError> {
        let bytes = STANDARD.decode(text).map_err(|_| HistogramError::Base64)?;
        let read: Histogram<u64> =
            Deserializer::new().deserialize(&mut &bytes[..]).map_err(|_| HistogramError::Encoding)?;
        if read.max() > 2 * HIGHEST {
            return Err(HistogramError::Range);
        }
        let mut latency = Self::default();
        latency.0.add(&read).map_err(|_| HistogramError::Encoding)?;
        Ok(latency)
    }

    /// The histogram as the library has it.
    pub(super) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        times.into_iter().for_each(|micros| latency.record(Duration::from_micros(micros)));
        latency
    }

    /// Whether two times are the same to three digits, or to the microsecond.
    fn is_about(time: Duration, micros: u64) -> bool {
        time.abs_diff(Duration::from_micros(micros)) <= Duration::from_micros(micros / 500 + 1)
    }

    #[test]
    fn percentiles_are_right_to_three_digits() {
        let latency = of(1..=100_000);
        for (percent, micros) in [(0.1, 100), (50.0, 50_000), (99.0, 99_000), (99.9, 99_900), (100.0, 100_000)] {
            assert!(is_about(latency.percentile(percent), micros), "{percent}: {:?}", latency.percentile(percent));
        }
        assert!(is_about(latency.mean(), 50_000) && is_about(latency.min(), 1) && is_about(latency.max(), 100_000));
    }

    #[test]
    fn percentiles_of_merged_histograms_are_those_of_all_times() {
        let mut merged = of(1..=900);
        merged.merge(&of(10_000..=10_099));
        assert_eq!(merged, of((1..=900).chain(10_000..=10_099)));
        assert!(is_about(merged.percentile(95.0), 10_049), "{:?}", merged.percentile(95.0));
    }

    #[test]
    fn nothing_and_impossible_times_break_nothing() {
        let mut latency = Latency::default();
        assert_eq!((latency.percentile(99.0), latency.max(), latency.count()), (Duration::ZERO, Duration::ZERO, 0));
        latency.record(Duration::ZERO);
        latency.record(Duration::MAX);
        assert_eq!(latency.count(), 2);
        assert!(is_about(latency.max(), 3_600_000_000));
    }

    #[test]
    fn the_encoding_is_standard_and_comes_back() {
        let latency = of([1, 150, 150, 9_999, 3_600_000_000]);
        assert_eq!(Latency::decode(&latency.encode()), Ok(latency));
        assert_eq!(Latency::decode(&Latency::default().encode()), Ok(Latency::default()));
        // As the Java library writes it, every text of V2 with deflate begins so.
        assert!(of([1]).encode().starts_with("HISTFAA"));
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        let mut short = of([1, 2, 3]).encode();
        short.truncate(12);
        for (text, error) in [
            ("?", HistogramError::Base64),
            ("", HistogramError::Encoding),
            ("aGVsbG8gd29ybGQ=", HistogramError::Encoding),
            (&short, HistogramError::Encoding),
        ] {
            assert_eq!(Latency::decode(text), Err(error), "{text}");
        }
    }
}
