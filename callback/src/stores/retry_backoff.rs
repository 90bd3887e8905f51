//! How long an event waits after a failed attempt until the next attempt. No I/O.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// Pauses that double from the first to the longest. Each pause is up to a quarter longer, by the event's id, so that
/// events that failed at the same time don't come back at the same time.
///
/// The pause follows from stored values only (the number of attempts, the id), so every pod computes the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBackoff {
    /// The pause after the first attempt. It is longer than an attempt may take: nothing else tells an event whose pod
    /// died from an event whose pod is still at work.
    pub first: Duration,
    pub longest: Duration,
}

impl RetryBackoff {
    /// The pause after so many attempts at the event with this id.
    pub fn pause_after(&self, attempts: u32, id: &str) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempts.saturating_sub(1).min(30)).min(self.longest);
        let mut hash = DefaultHasher::new();
        (id, attempts).hash(&mut hash);
        let share = u32::try_from(hash.finish() % 256).expect("less than 256");
        doubled + doubled / 4 * share / 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BACKOFF: RetryBackoff = RetryBackoff { first: Duration::from_secs(10), longest: Duration::from_secs(3600) };

    /// When the attempts at an event are made, from the first on, if all of them fail.
    fn attempts(id: &str) -> impl Iterator<Item = Duration> {
        (1..).scan(Duration::ZERO, move |at, attempt| {
            let this = *at;
            *at += BACKOFF.pause_after(attempt, id);
            Some(this)
        })
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_a_quarter_longer_at_most() {
        for (attempts, least) in [(1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600), (11, 3600), (u32::MAX, 3600)] {
            for id in ["a", "b", "1700000000000-0"] {
                let pause = BACKOFF.pause_after(attempts, id);
                assert!((least * SECOND..least * SECOND * 5 / 4).contains(&pause), "{attempts}: {pause:?}");
            }
        }
    }

    #[test]
    fn a_site_that_fails_for_an_hour_is_asked_a_few_times_and_has_its_event_within_another() {
        let hour = 3600 * SECOND;
        let (during, after): (Vec<_>, Vec<_>) = attempts("a").take(20).partition(|at| *at < hour);
        assert!((8..=10).contains(&during.len()), "{during:?}");
        assert!(after[0] < 2 * hour, "{after:?}");
        assert!(attempts("a").take_while(|at| *at < 24 * hour).count() < 40);
    }

    #[test]
    fn events_that_failed_at_the_same_time_come_back_at_different_times() {
        let mut pauses: Vec<_> = (0..1000).map(|id| BACKOFF.pause_after(5, &id.to_string())).collect();
        pauses.sort();
        pauses.dedup();
        assert!(pauses.len() > 200, "{}", pauses.len());
        assert_eq!(BACKOFF.pause_after(5, "a"), BACKOFF.pause_after(5, "a"), "every pod computes the same pause");
    }

    #[test]
    fn the_longest_durations_do_not_overflow() {
        let endless = RetryBackoff { first: Duration::MAX, longest: 10 * SECOND };
        assert!(endless.pause_after(7, "a") < 13 * SECOND);
        assert_eq!(RetryBackoff { first: Duration::ZERO, ..endless }.pause_after(7, "a"), Duration::ZERO);
    }
}
