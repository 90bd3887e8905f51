//! The planned instants of one segment of a plan.
//!
//! Every segment computes the instants of the whole plan, and keeps each `of`-th. That costs a worker next to nothing,
//! and all segments together are the plan, whatever their number, even where the instants are random.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{people::Arrivals, rate_curve::RateCurve};

/// Segment `index` of `of`: the part of a plan that one worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    index: u32,
    of: u32,
}

/// There is no such segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no segment {index} of {of}; they count from 0")]
pub struct SegmentError {
    index: u32,
    of: u32,
}

impl Segment {
    /// The whole plan.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Segment `index`, counted from 0, of `of`.
    pub fn new(index: u32, of: u32) -> Result<Self, SegmentError> {
        if index < of { Ok(Self { index, of }) } else { Err(SegmentError { index, of }) }
    }

    /// How many of this many things are this segment's.
    pub fn share_of(self, all: u32) -> u32 {
        all / self.of + u32::from(self.index < all % self.of)
    }

    /// Whether the thing with this number is this segment's.
    pub fn has(self, number: u64) -> bool {
        number % u64::from(self.of) == u64::from(self.index)
    }

    /// Its number, counted from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many segments there are.
    pub fn of(self) -> u32 {
        self.of
    }
}

/// The planned instants of one segment, as times since the start of the curve, in their order. Each comes with its
/// number in the whole plan.
#[derive(Debug)]
pub struct Schedule {
    curve: RateCurve,
    arrivals: Arrivals,
    segment: Segment,
    random: StdRng,
    /// How many logins of the curve have begun at the next instant.
    reached: f64,
    number: u64,
}

impl Schedule {
    /// The instants at which something happens by this curve.
    pub fn new(curve: RateCurve, arrivals: Arrivals, seed: u64, segment: Segment) -> Self {
        Self { curve, arrivals, segment, random: StdRng::seed_from_u64(seed), reached: 0.0, number: 0 }
    }

    /// The next instant of the whole plan.
    fn next_of_all(&mut self) -> Option<(u64, Duration)> {
        if self.arrivals == Arrivals::Poisson {
            // The gaps of a Poisson process are exponential: -ln of a number above 0.
            let uniform: f64 = self.random.random();
            self.reached -= (1.0 - uniform).ln();
        }
        let next = (self.number, self.curve.when(self.reached)?);
        if self.arrivals == Arrivals::Uniform {
            self.reached += 1.0;
        }
        self.number += 1;
        Some(next)
    }
}

impl Iterator for Schedule {
    type Item = (u64, Duration);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = self.next_of_all()?;
            if self.segment.has(next.0) {
                return Some(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(arrivals: Arrivals, seed: u64, segment: Segment) -> Vec<(u64, Duration)> {
        Schedule::new(RateCurve::constant(100.0, 20.0), arrivals, seed, segment).collect()
    }

    #[test]
    fn uniform_instants_are_as_far_apart_as_the_rate_says() {
        let instants = schedule(Arrivals::Uniform, 1, Segment::WHOLE);
        assert_eq!(instants.len(), 2000);
        assert_eq!(instants[3], (3, Duration::from_millis(30)));
    }

    #[test]
    fn poisson_instants_have_the_rate_and_the_spread_of_a_poisson_process() {
        let instants = schedule(Arrivals::Poisson, 1, Segment::WHOLE);
        assert!((1800..2200).contains(&instants.len()), "{}", instants.len());
        // Counts in windows have a variance as large as their mean. Even instants would have none.
        let mut windows = [0.0; 200];
        for (_, at) in &instants {
            windows[usize::try_from(at.as_millis() / 100).unwrap()] += 1.0;
        }
        let mean = windows.iter().sum::<f64>() / 200.0;
        let variance = windows.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 200.0;
        assert!((0.6..1.6).contains(&(variance / mean)), "{variance} {mean}");
    }

    #[test]
    fn all_segments_together_are_the_plan() {
        for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
            let whole = schedule(arrivals, 7, Segment::WHOLE);
            for of in [2, 3, 54] {
                let parts = (0..of).map(|index| schedule(arrivals, 7, Segment::new(index, of).unwrap()));
                let mut together: Vec<_> = parts.flatten().collect();
                together.sort_unstable();
                assert_eq!(together, whole);
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let one = schedule(Arrivals::Poisson, 1, Segment::WHOLE);
        assert_eq!(one, schedule(Arrivals::Poisson, 1, Segment::WHOLE));
        assert_ne!(one, schedule(Arrivals::Poisson, 2, Segment::WHOLE));
    }

    #[test]
    fn segments_share_evenly_and_a_segment_that_is_not_there_is_refused() {
        let shares = [0, 1, 2].map(|index| Segment::new(index, 3).unwrap().share_of(11));
        assert_eq!(shares, [4, 4, 3]);
        for (index, of) in [(3, 3), (0, 0)] {
            assert!(Segment::new(index, of).unwrap_err().to_string().contains("count from 0"));
        }
    }
}
