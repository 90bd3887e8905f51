//! The buckets of a native histogram: each bound is the one before times 2^(1/8), so a bucket is 9 % wide.

use std::collections::BTreeMap;

/// What Prometheus calls a bucket width of 2^(1/2^3).
pub(crate) const SCHEMA: i32 = 3;
/// How many buckets are between a number and twice that number.
const PER_OCTAVE: i32 = 1 << SCHEMA;
/// The bucket that begins at 2^-14 s, or 61 µs: what is shorter counts as zero.
const LOWEST: i32 = -14 * PER_OCTAVE + 1;
/// The bucket that ends at 2^17 s, or 36 h. It has what is longer, too.
const HIGHEST: i32 = 17 * PER_OCTAVE;

/// Counts of seconds. There are at most [`HIGHEST`] − [`LOWEST`] buckets, whatever comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NativeBuckets {
    zeros: u64,
    counts: BTreeMap<i32, u64>,
}

/// Buckets next to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BucketSpan {
    /// How many buckets are left out before it. For the first span, its first bucket.
    pub(crate) offset: i32,
    pub(crate) length: u32,
}

impl NativeBuckets {
    pub(crate) fn add(&mut self, seconds: f64) {
        if seconds > zero_threshold() {
            *self.counts.entry(index(seconds)).or_default() += 1;
        } else {
            self.zeros += 1;
        }
    }

    /// How many were at most [`zero_threshold`].
    pub(crate) fn zeros(&self) -> u64 {
        self.zeros
    }

    /// The buckets in which anything is, and for each by how much its count differs from the one before.
    pub(crate) fn spans_and_deltas(&self) -> (Vec<BucketSpan>, Vec<i64>) {
        let (mut spans, mut deltas): (Vec<BucketSpan>, Vec<i64>) = (vec![], vec![]);
        let (mut next, mut before) = (0, 0);
        for (&index, &count) in &self.counts {
            match spans.last_mut() {
                Some(span) if index == next => span.length += 1,
                _ => spans.push(BucketSpan { offset: index - next, length: 1 }),
            }
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            deltas.push(count - before);
            (next, before) = (index + 1, count);
        }
        (spans, deltas)
    }
}

/// Seconds up to this count as zero.
pub(crate) fn zero_threshold() -> f64 {
    bound(LOWEST - 1)
}

/// The end of a bucket, which belongs to it.
fn bound(index: i32) -> f64 {
    (f64::from(index) / f64::from(PER_OCTAVE)).exp2()
}

/// The bucket of a positive number.
#[expect(clippy::cast_possible_truncation, reason = "it is clamped")]
fn index(seconds: f64) -> i32 {
    let index = (seconds.log2() * f64::from(PER_OCTAVE)).ceil();
    let index = index.clamp(f64::from(LOWEST), f64::from(HIGHEST)) as i32;
    // A logarithm may be off by its last bit, and a bound belongs to the bucket below it.
    if index > LOWEST && seconds <= bound(index - 1) { index - 1 } else { index }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        for at in LOWEST..HIGHEST {
            assert_eq!((index(bound(at)), index(bound(at) * 1.0001)), (at, at + 1));
        }
        assert_eq!((index(1.0), index(2.0), index(0.5)), (0, PER_OCTAVE, -PER_OCTAVE));
    }

    #[test]
    fn whatever_comes_is_counted_in_few_buckets() {
        let mut buckets = NativeBuckets::default();
        let odd = [0.0, -1.0, f64::NAN, f64::MIN_POSITIVE, f64::INFINITY, f64::MAX, 1e-300, 1e300];
        for seconds in odd {
            buckets.add(seconds);
        }
        assert_eq!((buckets.zeros(), buckets.counts.clone()), (5, BTreeMap::from([(HIGHEST, 3)])));
        for exponent in -2000..2000 {
            buckets.add(f64::from(exponent).exp2() * 1.3);
        }
        for n in (0..1_000_000_u32).step_by(7) {
            buckets.add(f64::from(n) * 1e-5);
        }
        assert!(buckets.counts.len() <= 248, "{}", buckets.counts.len());
    }

    #[test]
    fn buckets_are_told_as_spans_and_differences() {
        assert_eq!(NativeBuckets::default().spans_and_deltas(), (vec![], vec![]));
        let counts = BTreeMap::from([(-10, 1), (-9, 7), (-5, 7), (2, 8), (3, 1)]);
        let (spans, deltas) = NativeBuckets { zeros: 0, counts }.spans_and_deltas();
        let span = |offset, length| BucketSpan { offset, length };
        assert_eq!(spans, [span(-10, 2), span(3, 1), span(6, 2)]);
        assert_eq!(deltas, [1, 6, 0, 1, -7]);
    }
}
