//! What is said of a run's workers, in words.

use std::fmt;

use super::verdict::Completeness;

/// How many workers there were, how many of them reported until the end, and how far their clocks were apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkerWords {
    workers: usize,
    complete: usize,
    /// The farthest that a clock may have been from that of the coordinator's Redis, in milliseconds.
    clock_ms: f64,
}

impl WorkerWords {
    /// `None` in a run without workers.
    pub fn of(completeness: &Completeness) -> Option<Self> {
        let workers = &completeness.workers;
        let most_us = workers.iter().map(|end| end.clock_ahead_us.unsigned_abs() + end.clock_uncertainty_us).max()?;
        Some(Self {
            workers: workers.len(),
            complete: workers.iter().filter(|end| end.is_complete).count(),
            clock_ms: u32::try_from(most_us).map_or(f64::from(u32::MAX), f64::from) / 1e3,
        })
    }
}

impl fmt::Display for WorkerWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workers, complete, clock_ms } = self;
        write!(
            f,
            "{complete} of {workers} reported until the end; clocks at most {clock_ms:.1} ms from the coordinator's Redis"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::WorkerEnd;

    #[test]
    fn the_farthest_clock_counts_with_its_uncertainty() {
        assert_eq!(WorkerWords::of(&Completeness::default()), None);
        let end = |is_complete, clock_ahead_us| WorkerEnd {
            is_complete,
            clock_ahead_us,
            clock_uncertainty_us: 100,
            ..WorkerEnd::default()
        };
        let workers = vec![end(true, 300), end(false, -2400)];
        let words = WorkerWords::of(&Completeness { workers, ..Completeness::default() }).unwrap().to_string();
        assert_eq!(words, "1 of 2 reported until the end; clocks at most 2.5 ms from the coordinator's Redis");
    }
}
