//! How many pages to release now, so that all are gone in time and no second has more than its share. No I/O and
//! no clock.
//!
//! See docs/decisions/026-pages-leave-one-by-one-at-one-pace.md.

use std::time::Duration;

/// How often pages are released.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// A released page reconnects within this time.
pub(crate) const RECONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Spreads releases evenly: the pages that are left, over the time that is left. It becomes slower when pages
/// leave by themselves, and faster when pages join. No randomness is involved.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    /// The time up to which releases have been computed.
    at: Duration,
    /// The fraction of a page that was due and couldn't be released.
    carry: f64,
}

impl Pacer {
    /// How many of the `left` pages to release at this time, if all have to be gone at `end`. Both times count
    /// from when the first may go, and `at` never decreases.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no process holds 2^52 pages, nor fewer than none"
    )]
    pub(super) fn due(&mut self, left: usize, at: Duration, end: Duration) -> usize {
        if at >= end {
            return left;
        }
        let share = at.saturating_sub(self.at).as_secs_f64() / end.saturating_sub(self.at).as_secs_f64();
        self.at = at;
        self.carry += (left as f64 - self.carry).max(0.0) * share;
        let due = self.carry.floor();
        self.carry -= due;
        due as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(20);

    /// The time at which each of so many pages is released, where `change` adds or removes pages at each time.
    fn release_times(pages: usize, window: Duration, change: impl Fn(Duration) -> isize) -> Vec<Duration> {
        let mut pacer = Pacer::default();
        let mut left = pages;
        let mut released = vec![];
        for tick in 1.. {
            let at = TICK * tick;
            left = left.saturating_add_signed(change(at));
            let due = pacer.due(left, at, window);
            released.extend(vec![at; due]);
            left -= due;
            if at >= window {
                assert_eq!(left, 0, "all are released in time");
                return released;
            }
        }
        unreachable!("the window ends")
    }

    /// The most releases in any one second.
    fn peak(times: impl IntoIterator<Item = Duration>) -> usize {
        let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
        for time in times {
            *seconds.entry(time.as_secs()).or_default() += 1;
        }
        seconds.into_values().max().unwrap_or(0)
    }

    fn no_change(_: Duration) -> isize {
        0
    }

    #[test]
    fn five_thousand_pages_reconnect_at_no_more_than_twice_the_mean_rate_whatever_their_delays() {
        let times = release_times(5_000, WINDOW, no_change);
        let mean = 5_000 / 20;
        assert!(peak(times.iter().copied()) <= mean + 1);
        for second in (0..=20).map(Duration::from_secs) {
            let may_reconnect =
                times.iter().filter(|at| **at + RECONNECT_WITHIN > second && **at < second + Duration::from_secs(1));
            assert!(may_reconnect.count() <= 2 * mean, "in {second:?}");
        }
    }

    #[test]
    fn a_few_pages_are_released_one_by_one() {
        let times = release_times(5, WINDOW, no_change);
        let seconds: Vec<_> = times.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [4, 8, 12, 16, 20]);
        assert_eq!(release_times(1, WINDOW, no_change), [WINDOW], "a single page has the whole window");
        assert_eq!(release_times(5, Duration::ZERO, no_change), [TICK; 5]);
    }

    #[test]
    fn pages_that_leave_by_themselves_cause_neither_a_gap_nor_a_peak() {
        // Half of them log in meanwhile, and twenty at the start of each second.
        let leaving = |at: Duration| if at.subsec_nanos() == 0 { -125 } else { 0 };
        let times = release_times(5_000, WINDOW, leaving);
        assert!(peak(times) <= 5_000 / 20);
    }

    #[test]
    fn no_second_has_more_than_its_share_of_the_pages() {
        let pages_window_and_late = (0..20_000_usize, 1..120_u64, 0..100_usize);
        bolero::check!().with_generator(pages_window_and_late).for_each(|(pages, window, late)| {
            // Some pages are still opening their scene when the drain begins.
            let window = Duration::from_secs(*window);
            let joins = |at| if at == TICK { isize::try_from(*late).unwrap() } else { 0 };
            let mean = (pages + late).div_ceil(usize::try_from(window.as_secs()).unwrap());
            assert!(peak(release_times(*pages, window, joins)) <= mean + 2);
        });
    }
}
