//! How evenly events come: the peak in any second, compared with the mean.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// After this long without an event, the next event begins another burst.
const PAUSE: Duration = Duration::from_secs(1);
/// Fewer events than this are not a burst.
const MIN_BURST: usize = 20;

/// The rates of the least even burst, in events per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BurstRate {
    /// The highest number of events in any second.
    pub peak: f64,
    /// The mean from the first event to the last.
    pub mean: f64,
}

impl BurstRate {
    /// Computes the rates of these moments, which may be in any order.
    pub fn of(moments: &[Instant]) -> Self {
        let mut moments = moments.to_vec();
        moments.sort_unstable();
        let bursts = moments.chunk_by(|before, after| *after - *before < PAUSE);
        let rates = bursts.filter(|burst| burst.len() >= MIN_BURST).map(Self::of_burst);
        rates.max_by(|one, other| one.unevenness().total_cmp(&other.unevenness())).unwrap_or_default()
    }

    /// The peak divided by the mean; 0 without events.
    pub fn unevenness(self) -> f64 {
        if self.mean > 0.0 { self.peak / self.mean } else { 0.0 }
    }

    fn of_burst(moments: &[Instant]) -> Self {
        let in_a_second = |(nth, from): (usize, &Instant)| {
            moments[nth..].partition_point(|at| at.saturating_duration_since(*from) < SECOND)
        };
        let peak = moments.iter().enumerate().map(in_a_second).max().unwrap_or(0);
        let span = moments.last().zip(moments.first()).map_or(Duration::ZERO, |(last, first)| *last - *first);
        Self { peak: to_f64(peak), mean: to_f64(moments.len()) / span.max(SECOND).as_secs_f64() }
    }
}

fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
