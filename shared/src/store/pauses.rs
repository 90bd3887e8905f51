//! How long a letter that failed waits until it is tried again. No I/O.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// Pauses that double from the first to the longest, each a little longer for some letters than for
/// others, so that those that failed together don't come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// After the first attempt. Longer than an attempt may take, since a letter whose pod died in the
    /// middle of one is told from one that is on its way by nothing else.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Pauses {
    /// The pause after so many attempts at a letter: the same for every pod that asks.
    pub fn after(&self, attempts: u32, letter: &str) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempts.saturating_sub(1).min(30)).min(self.longest);
        let mut hash = DefaultHasher::new();
        (letter, attempts).hash(&mut hash);
        let share = u32::try_from(hash.finish() % 256).expect("less than 256");
        doubled + doubled / 4 * share / 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PAUSES: Pauses = Pauses { first: Duration::from_secs(10), longest: Duration::from_secs(3600) };

    /// When the attempts at a letter are made, from the first on, if all fail.
    fn attempts(letter: &str) -> impl Iterator<Item = Duration> {
        (1..).scan(Duration::ZERO, move |at, attempt| {
            let this = *at;
            *at += PAUSES.after(attempt, letter);
            Some(this)
        })
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_a_quarter_longer_at_most() {
        for (attempts, least) in [(1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600), (11, 3600), (u32::MAX, 3600)] {
            for letter in ["a", "b", "1700000000000-0"] {
                let pause = PAUSES.after(attempts, letter);
                assert!((least * SECOND..least * SECOND * 5 / 4).contains(&pause), "{attempts}: {pause:?}");
            }
        }
    }

    #[test]
    fn a_site_that_fails_for_an_hour_is_asked_a_few_times_and_has_its_letter_within_another() {
        let hour = 3600 * SECOND;
        let (during, after): (Vec<_>, Vec<_>) = attempts("a").take(20).partition(|at| *at < hour);
        assert!((8..=10).contains(&during.len()), "{during:?}");
        assert!(after[0] < 2 * hour, "{after:?}");
        assert!(attempts("a").take_while(|at| *at < 24 * hour).count() < 40);
    }

    #[test]
    fn letters_that_failed_together_come_back_apart() {
        let mut pauses: Vec<_> = (0..1000).map(|letter| PAUSES.after(5, &letter.to_string())).collect();
        pauses.sort();
        pauses.dedup();
        assert!(pauses.len() > 200, "{}", pauses.len());
        assert_eq!(PAUSES.after(5, "a"), PAUSES.after(5, "a"), "whichever pod asks");
    }

    #[test]
    fn no_pause_is_too_long_to_count() {
        let endless = Pauses { first: Duration::MAX, longest: 10 * SECOND };
        assert!(endless.after(7, "a") < 13 * SECOND);
        assert_eq!(Pauses { first: Duration::ZERO, ..endless }.after(7, "a"), Duration::ZERO);
    }
}
