//! How many pages go now, so that all have gone in time and no second has more than its share. No I/O and
//! no clock.

use std::time::Duration;

/// Spreads departures evenly: what is left to go, over the time that is left to do it in. Those who end
/// by themselves make it slower, those who join make it faster, and no chance is in it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// How far this has been worked off.
    at: Duration,
    /// The part of a page that was due and couldn't go.
    owed: f64,
}

impl Pace {
    /// How many of the `left` pages go at this time, all being gone when it is `end`. Both count from
    /// when the first may go; time doesn't run backwards.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no process holds 2^52 pages, nor fewer than none"
    )]
    pub(crate) fn due(&mut self, left: usize, at: Duration, end: Duration) -> usize {
        if at >= end {
            return left;
        }
        let share = at.saturating_sub(self.at).as_secs_f64() / end.saturating_sub(self.at).as_secs_f64();
        self.at = at;
        self.owed += (left as f64 - self.owed).max(0.0) * share;
        let due = self.owed.floor();
        self.owed -= due;
        due as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{session::BACK_WITHIN, turns::TICK};

    const WINDOW: Duration = Duration::from_secs(20);

    /// When each of so many pages goes, where `comes_or_ends` changes how many there are at each time.
    fn departures(pages: usize, window: Duration, comes_or_ends: impl Fn(Duration) -> isize) -> Vec<Duration> {
        let (mut pace, mut left, mut gone) = (Pace::default(), pages, vec![]);
        for tick in 1.. {
            let at = TICK * tick;
            left = left.saturating_add_signed(comes_or_ends(at));
            let due = pace.due(left, at, window);
            gone.extend(vec![at; due]);
            left -= due;
            if at >= window {
                assert_eq!(left, 0, "all have gone in time");
                return gone;
            }
        }
        unreachable!("the window ends")
    }

    /// The most that fall into any one second.
    fn peak(times: impl IntoIterator<Item = Duration>) -> usize {
        let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
        for time in times {
            *seconds.entry(time.as_secs()).or_default() += 1;
        }
        seconds.into_values().max().unwrap_or(0)
    }

    fn nobody(_: Duration) -> isize {
        0
    }

    #[test]
    fn five_thousand_pages_come_back_at_no_more_than_twice_the_mean_whatever_their_delays() {
        let gone = departures(5_000, WINDOW, nobody);
        let mean = 5_000 / 20;
        assert!(peak(gone.iter().copied()) <= mean + 1);
        for second in (0..=20).map(Duration::from_secs) {
            let may_come =
                gone.iter().filter(|at| **at + BACK_WITHIN > second && **at < second + Duration::from_secs(1));
            assert!(may_come.count() <= 2 * mean, "in {second:?}");
        }
    }

    #[test]
    fn a_few_pages_go_one_by_one() {
        let gone = departures(5, WINDOW, nobody);
        let seconds: Vec<_> = gone.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [4, 8, 12, 16, 20]);
        assert_eq!(departures(1, WINDOW, nobody), [WINDOW], "whoever is alone has all the time there is");
        assert_eq!(departures(5, Duration::ZERO, nobody), [TICK; 5]);
    }

    #[test]
    fn pages_that_end_by_themselves_leave_no_gap_and_no_crowd() {
        // Half of them log in meanwhile, and twenty at the start of each second.
        let ends = |at: Duration| if at.subsec_nanos() == 0 { -125 } else { 0 };
        let gone = departures(5_000, WINDOW, ends);
        assert!(peak(gone) <= 5_000 / 20);
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_its_share_of_those_who_were_there(
            pages in 0_usize..20_000,
            window in 1_u64..120,
            late in 0_usize..100,
        ) {
            // Some are still opening their scene when it begins.
            let window = Duration::from_secs(window);
            let joins = |at| if at == TICK { isize::try_from(late).unwrap() } else { 0 };
            let mean = (pages + late).div_ceil(usize::try_from(window.as_secs()).unwrap());
            prop_assert!(peak(departures(pages, window, joins)) <= mean + 2);
        }
    }
}
