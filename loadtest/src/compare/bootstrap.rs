//! How sure a number is: the bootstrap. The seconds of a run are drawn again and again, with repeats, and each time the
//! number is computed anew. How much it moves tells how far it may be from the true one. No I/O; a seed always gives the
//! same.
//!
//! What happens in one second often goes on in the next. So blocks of neighbouring seconds are drawn, not single ones;
//! otherwise the intervals would be too narrow.

use std::{collections::BTreeMap, ops::Range};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::measure::Latency;

/// How often seconds are drawn anew.
const ROUNDS: usize = 1000;
/// The share of rounds outside of an interval, on either side: it is one of 95 %.
const OUTSIDE: f64 = 0.025;
/// With fewer seconds nothing can be said.
pub(super) const FEWEST_SECONDS: usize = 10;

/// Numbers that are computed of seconds, each of which may count several times or never.
pub(super) trait Statistics {
    /// How many seconds there are.
    fn seconds(&self) -> usize;
    /// The numbers, if second `i` counts `weights[i]` times. A number is `None` if there is nothing to compute it of. There
    /// are always as many.
    fn values(&self, weights: &[u32]) -> Vec<Option<f64>>;
}

/// By how much a number changed, as a part of what it was: 0.1 is 10 % more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChangeInterval {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The numbers of the seconds as they were.
pub(super) fn estimates(statistics: &impl Statistics) -> Vec<Option<f64>> {
    statistics.values(&vec![1; statistics.seconds()])
}

/// For each number, between which changes from `before` to `after` the true one is, in 95 of 100 cases. `None` if there
/// are too few seconds, or the number was 0 before.
pub(super) fn change_intervals<S: Statistics>(before: &S, after: &S, seed: u64) -> Vec<Option<ChangeInterval>> {
    let numbers = estimates(before).len();
    if before.seconds().min(after.seconds()) < FEWEST_SECONDS {
        return vec![None; numbers];
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut changes = vec![Vec::with_capacity(ROUNDS); numbers];
    for _ in 0..ROUNDS {
        let was = before.values(&draw(before.seconds(), &mut random));
        let is = after.values(&draw(after.seconds(), &mut random));
        for ((changes, was), is) in changes.iter_mut().zip(was).zip(is) {
            changes.extend(was.filter(|was| *was > 0.0).zip(is).map(|(was, is)| is / was - 1.0));
        }
    }
    changes.into_iter().map(interval).collect()
}

/// The interval, if every round had a change.
fn interval(mut changes: Vec<f64>) -> Option<ChangeInterval> {
    changes.sort_unstable_by(f64::total_cmp);
    let is_whole = changes.len() == ROUNDS;
    is_whole.then(|| ChangeInterval { low: changes[place(OUTSIDE)], high: changes[ROUNDS - 1 - place(OUTSIDE)] })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "below ROUNDS"
)]
fn place(share: f64) -> usize {
    (ROUNDS as f64 * share) as usize
}

/// How often each of so many seconds counts in one round. Blocks go around the end, so that all have the same chance.
fn draw(seconds: usize, random: &mut StdRng) -> Vec<u32> {
    let block = block_length(seconds);
    let mut weights = vec![0; seconds];
    let mut left = seconds;
    while left > 0 {
        let start = random.random_range(0..seconds);
        for offset in 0..block.min(left) {
            weights[(start + offset) % seconds] += 1;
        }
        left = left.saturating_sub(block);
    }
    weights
}

/// The usual length of a block: the cube root of the number of seconds.
fn block_length(seconds: usize) -> usize {
    (1..=seconds).find(|length| length.pow(3) >= seconds).unwrap_or(1)
}

/// Percentiles of the times of all seconds together.
pub(super) struct PercentileStatistics {
    pub(super) times: SecondTimes,
    /// From 0 to 100.
    pub(super) percents: Vec<f64>,
}

/// The times of each second, in a form that is quick to add up.
pub(super) struct SecondTimes {
    /// All times that there are, in milliseconds, in order.
    millis: Vec<f64>,
    /// The index in `millis`, and how many there are, for each second.
    counts: Vec<(usize, u64)>,
    /// Which of `counts` are of which second.
    of_second: Vec<Range<usize>>,
}

impl SecondTimes {
    pub(super) fn new(seconds: &[Latency]) -> Self {
        let mut places: BTreeMap<u128, usize> = BTreeMap::new();
        for latency in seconds {
            places.extend(latency.buckets().map(|(time, _)| (time.as_nanos(), 0)));
        }
        places.values_mut().enumerate().for_each(|(index, place)| *place = index);
        let mut counts = vec![];
        let of_second = seconds.iter().map(|latency| {
            let from = counts.len();
            counts.extend(latency.buckets().map(|(time, count)| (places[&time.as_nanos()], count)));
            from..counts.len()
        });
        let of_second = of_second.collect();
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of at most hours")]
        let millis = places.keys().map(|nanos| *nanos as f64 / 1e6).collect();
        Self { millis, counts, of_second }
    }

    /// How many times there are.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

impl Statistics for PercentileStatistics {
    fn seconds(&self) -> usize {
        self.times.of_second.len()
    }

    fn values(&self, weights: &[u32]) -> Vec<Option<f64>> {
        let mut totals = vec![0_u64; self.times.millis.len()];
        for (range, weight) in self.times.of_second.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
            for (index, count) in &self.times.counts[range.clone()] {
                totals[*index] += count * u64::from(*weight);
            }
        }
        self.percents.iter().map(|percent| self.times.millis.get(place_of(&totals, *percent)).copied()).collect()
    }
}

/// The index of a percentile, by how often there is each value.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "counts")]
fn place_of(totals: &[u64], percent: f64) -> usize {
    let all: u64 = totals.iter().sum();
    let wanted = ((percent / 100.0 * all as f64).ceil() as u64).max(1);
    let mut reached = 0;
    let has_reached = |count: &u64| {
        reached += count;
        reached >= wanted
    };
    totals.iter().position(has_reached).unwrap_or(totals.len())
}

/// What there was of one thing, for each of another: CPU time a login, logins a second.
pub(super) struct RatioStatistics {
    /// Both amounts of each second.
    pub(super) seconds: Vec<(f64, f64)>,
}

impl Statistics for RatioStatistics {
    fn seconds(&self) -> usize {
        self.seconds.len()
    }

    fn values(&self, weights: &[u32]) -> Vec<Option<f64>> {
        let mut sums = (0.0, 0.0);
        for ((amount, per), weight) in self.seconds.iter().zip(weights) {
            sums.0 += amount * f64::from(*weight);
            sums.1 += per * f64::from(*weight);
        }
        vec![(sums.1 > 0.0).then(|| sums.0 / sums.1)]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ratio(values: impl IntoIterator<Item = f64>) -> RatioStatistics {
        RatioStatistics { seconds: values.into_iter().map(|value| (value, 1.0)).collect() }
    }

    /// Numbers that look random, around this one.
    fn around(middle: f64, seed: u64) -> RatioStatistics {
        let mut random = StdRng::seed_from_u64(seed);
        ratio((0..60).map(|_| middle * random.random_range(0.8..1.2)))
    }

    fn interval(before: &RatioStatistics, after: &RatioStatistics) -> ChangeInterval {
        change_intervals(before, after, 1)[0].unwrap()
    }

    #[test]
    fn an_interval_has_the_true_change_in_it_and_a_seed_decides() {
        let found = interval(&around(10.0, 1), &around(12.0, 2));
        assert!(found.low < 0.2 && 0.2 < found.high && found.high - found.low < 0.15, "{found:?}");
        let same = interval(&around(10.0, 1), &around(10.0, 2));
        assert!(same.low < 0.0 && 0.0 < same.high, "{same:?}");
        assert_eq!(found, interval(&around(10.0, 1), &around(12.0, 2)));
        assert_ne!(vec![Some(found)], change_intervals(&around(10.0, 1), &around(12.0, 2), 2));
    }

    #[test]
    fn intervals_of_equal_runs_miss_no_change_about_as_often_as_they_say() {
        let missed = (0..100).filter(|seed| {
            let found = interval(&around(10.0, 1000 + seed), &around(10.0, 5000 + seed));
            found.low > 0.0 || found.high < 0.0
        });
        // 5 % of 100 are 5.
        let missed = missed.count();
        assert!((1..=15).contains(&missed), "{missed}");
    }

    #[test]
    fn seconds_that_hang_together_make_the_interval_wider() {
        let steady = ratio((0..64).map(|second| if second % 2 == 0 { 8.0 } else { 12.0 }));
        let waves = ratio((0..64).map(|second| if second / 8 % 2 == 0 { 8.0 } else { 12.0 }));
        let width = |statistic: &RatioStatistics| {
            let found = interval(statistic, statistic);
            found.high - found.low
        };
        assert!(width(&waves) > 1.5 * width(&steady), "{} {}", width(&waves), width(&steady));
    }

    #[test]
    fn nothing_is_said_of_too_few_seconds_or_of_nothing() {
        let short = ratio([1.0; FEWEST_SECONDS - 1]);
        assert_eq!(change_intervals(&short, &around(1.0, 1), 1), [None]);
        let nothing = ratio([0.0; 20]);
        assert_eq!(change_intervals(&nothing, &around(1.0, 1), 1), [None]);
        assert_eq!(estimates(&RatioStatistics { seconds: vec![] }), [None]);
        let no_times = PercentileStatistics { times: SecondTimes::new(&[]), percents: vec![50.0] };
        assert_eq!(estimates(&no_times), [None]);
    }

    #[test]
    fn percentiles_are_of_all_seconds_together_as_often_as_each_counts() {
        let second = |times: std::ops::RangeInclusive<u64>| {
            let mut latency = Latency::default();
            times.for_each(|millis| latency.record(Duration::from_millis(millis)));
            latency
        };
        let times = SecondTimes::new(&[second(1..=90), second(1000..=1009)]);
        assert_eq!(times.count(), 100);
        let mut statistics = PercentileStatistics { times, percents: vec![] };
        let mut value = |percent, weights: &[u32]| {
            statistics.percents = vec![percent];
            statistics.values(weights)[0].unwrap()
        };
        for (percent, weights, millis) in [
            (50.0, [1, 1], 50.0),
            (90.0, [1, 1], 90.0),
            (91.0, [1, 1], 1000.0),
            (50.0, [0, 1], 1004.0),
            (100.0, [2, 0], 90.0),
        ] {
            let found = value(percent, &weights);
            assert!((found / millis - 1.0).abs() < 0.003, "p{percent} of {weights:?}: {found}");
        }
    }

    #[test]
    fn a_round_draws_as_many_seconds_as_there_are() {
        let mut random = StdRng::seed_from_u64(1);
        for seconds in [1, 10, 27, 100] {
            assert_eq!(draw(seconds, &mut random).iter().sum::<u32>() as usize, seconds);
        }
        assert_eq!([1, 8, 27, 60, 1000].map(block_length), [1, 2, 3, 4, 10]);
    }
}
