//! How evenly something comes: the peak in any second against the mean.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// So long without any of it, and what comes next is another burst.
const PAUSE: Duration = Duration::from_secs(1);
/// Fewer are no burst.
const FEWEST: usize = 20;

/// The least even of its bursts, a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// The most in any second.
    pub peak: f64,
    /// The mean from its first to its last.
    pub mean: f64,
}

impl Rate {
    /// That of these moments, in any order.
    pub fn of(moments: &[Instant]) -> Self {
        let mut moments = moments.to_vec();
        moments.sort_unstable();
        let bursts = moments.chunk_by(|before, after| *after - *before < PAUSE);
        let rates = bursts.filter(|burst| burst.len() >= FEWEST).map(Self::of_burst);
        rates.max_by(|one, other| one.unevenness().total_cmp(&other.unevenness())).unwrap_or_default()
    }

    /// How many times the mean the peak is; 0 where nothing came.
    pub fn unevenness(self) -> f64 {
        if self.mean > 0.0 { self.peak / self.mean } else { 0.0 }
    }

    fn of_burst(moments: &[Instant]) -> Self {
        let in_a_second = |(nth, from): (usize, &Instant)| {
            moments[nth..].partition_point(|at| at.saturating_duration_since(*from) < SECOND)
        };
        let peak = moments.iter().enumerate().map(in_a_second).max().unwrap_or(0);
        let span = moments.last().zip(moments.first()).map_or(Duration::ZERO, |(last, first)| *last - *first);
        Self { peak: count(peak), mean: count(moments.len()) / span.max(SECOND).as_secs_f64() }
    }
}

fn count(of: usize) -> f64 {
    u32::try_from(of).map_or(f64::INFINITY, f64::from)
}
