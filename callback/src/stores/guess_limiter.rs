//! Limits how fast a person may guess typed codes. Wrong guesses slow a person down and never lock them out.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use scenecast_scene::{AccountName, DeliveryId, OpenId, time::millis};
use serde::{Deserialize, Serialize};

/// So many wrong guesses have no pause after them, since people mistype.
const FREE: u32 = 5;
/// The pause after the next wrong guess. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);
/// A person who has not guessed for so long has no wrong guesses any more.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Whether a person may guess now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuessVerdict {
    /// The person may guess. The guess counts as wrong until [`GuessLimiter::take_back`] says otherwise.
    Allowed,
    /// The person may guess again after this time. This guess isn't counted.
    SlowDown(Duration),
}

/// Counts the guesses of all people. Clones share the counts.
#[derive(Debug, Clone)]
pub struct GuessLimiter(Store);

impl GuessLimiter {
    /// The counts in this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// A person guesses at this unix time. Each guess is counted before its outcome is known, so a person who guesses
    /// many times at once doesn't get round the pauses. The last delivery counts once when WeChat delivers it again.
    pub async fn check(
        &self,
        account: &AccountName,
        openid: &OpenId,
        delivery: DeliveryId,
        now: Duration,
    ) -> Result<GuessVerdict, StoreError> {
        let check = |stored: Option<&str>| match GuessRecord::read(stored).check(delivery, millis(now)) {
            Ok(record) => (Some(record.written()), GuessVerdict::Allowed),
            Err(wait) => (stored.map(str::to_owned), GuessVerdict::SlowDown(wait)),
        };
        self.0.update(&key(account, openid), Some(FORGIVEN_AFTER), check).await
    }

    /// This guess was right: takes it off the count, if it is the person's last guess. Earlier guesses stay counted, so
    /// that typing one's own code doesn't pay for guessing codes of others.
    pub async fn take_back(
        &self,
        account: &AccountName,
        openid: &OpenId,
        delivery: DeliveryId,
    ) -> Result<(), StoreError> {
        let take_back =
            |stored: Option<&str>| (stored.map(|_| GuessRecord::read(stored).take_back(delivery).written()), ());
        self.0.update(&key(account, openid), Some(FORGIVEN_AFTER), take_back).await
    }
}

fn key(account: &AccountName, openid: &OpenId) -> String {
    format!("guess:{account}:{openid}")
}

/// What is stored about one person's guesses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct GuessRecord {
    wrong: u32,
    /// When the last guess was made, in unix milliseconds.
    last: u64,
    /// The delivery that brought the last guess.
    delivery: Option<DeliveryId>,
    /// Whether the last guess was right.
    right: bool,
}

impl GuessRecord {
    /// A value that can't be read counts as no guesses, so that it locks nobody out.
    fn read(stored: Option<&str>) -> Self {
        stored.and_then(|stored| serde_json::from_str(stored).ok()).unwrap_or_default()
    }

    fn written(self) -> String {
        serde_json::to_string(&self).expect("a record has string keys only")
    }

    /// Counts a guess, or answers how long the person has to wait.
    fn check(self, delivery: DeliveryId, now: u64) -> Result<Self, Duration> {
        if self.delivery == Some(delivery) {
            return Ok(self);
        }
        // A pod's clock may be a little behind another's.
        let since = Duration::from_millis(now.saturating_sub(self.last));
        let wrong = if since < FORGIVEN_AFTER { self.wrong } else { 0 };
        match pause(wrong).checked_sub(since) {
            None | Some(Duration::ZERO) => {
                Ok(Self { wrong: wrong.saturating_add(1), last: now, delivery: Some(delivery), right: false })
            }
            Some(wait) => Err(wait),
        }
    }

    fn take_back(self, delivery: DeliveryId) -> Self {
        if self.right || self.delivery != Some(delivery) {
            return self;
        }
        Self { wrong: self.wrong.saturating_sub(1), right: true, ..self }
    }
}

/// The pause after so many wrong guesses.
fn pause(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(beyond) => FIRST_PAUSE.saturating_mul(1 << beyond.min(20)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: u64 = 60 * 60 * 1000;

    fn after(wrong: u32) -> GuessRecord {
        GuessRecord { wrong, last: NOW, ..GuessRecord::default() }
    }

    /// A new delivery.
    fn delivery() -> DeliveryId {
        DeliveryId::of(&[&rand::random::<u64>().to_string()])
    }

    fn counted(record: Result<GuessRecord, Duration>) -> Result<(u32, u64), Duration> {
        record.map(|record| (record.wrong, record.last))
    }

    #[test]
    fn five_wrong_guesses_have_no_pause_and_each_further_one_doubles_it() {
        let mut record = GuessRecord::default();
        for _ in 0..5 {
            record = record.check(delivery(), NOW).unwrap();
        }
        for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            let pause = Duration::from_secs(seconds);
            let now = record.last;
            assert_eq!(record.check(delivery(), now), Err(pause));
            assert_eq!(record.check(delivery(), now + 1_500), Err(pause.saturating_sub(Duration::from_millis(1_500))));
            record = record.check(delivery(), now + millis(pause)).unwrap();
        }
    }

    #[test]
    fn after_an_hour_without_a_guess_the_count_starts_anew() {
        assert_eq!(counted(after(20).check(delivery(), NOW + HOUR)), Ok((1, NOW + HOUR)));
        assert_eq!(counted(after(20).check(delivery(), NOW + HOUR - 1)), Ok((21, NOW + HOUR - 1)));
    }

    #[test]
    fn a_right_guess_is_taken_off_the_count_and_no_other() {
        let (one, other) = (delivery(), delivery());
        let guessed = after(4).check(one, NOW).unwrap();
        assert_eq!(guessed.take_back(one).wrong, 4);
        assert_eq!(guessed.take_back(one).take_back(one).wrong, 4);
        assert_eq!(guessed.take_back(other), guessed);
        assert_eq!(after(0).take_back(one), after(0));
        assert_eq!(
            guessed.take_back(one).check(other, NOW).unwrap().take_back(one).wrong,
            5,
            "only the last guess is taken back"
        );
    }

    #[test]
    fn a_delivery_that_comes_again_counts_once() {
        let one = delivery();
        let guessed = after(4).check(one, NOW).unwrap();
        assert_eq!(guessed.check(one, NOW + 1), Ok(guessed), "though the next guess has to wait");
        assert_eq!(guessed.check(delivery(), NOW + 1), Err(Duration::from_millis(1_999)));
    }

    #[test]
    fn a_day_of_guessing_finds_next_to_nothing() {
        let (mut record, mut now, mut guesses) = (GuessRecord::default(), NOW, 0_u32);
        while now < NOW + 24 * HOUR {
            match record.check(delivery(), now) {
                Ok(counted) => (record, guesses) = (counted, guesses + 1),
                Err(wait) => now += millis(wait),
            }
            assert!(guesses < 170, "{guesses} guesses, each right once in a million times");
        }
    }

    #[test]
    fn neither_a_slow_clock_nor_an_unreadable_value_locks_anybody_out() {
        assert_eq!(after(5).check(delivery(), NOW - 60_000), Err(Duration::from_secs(2)));
        assert_eq!(after(u32::MAX).check(delivery(), NOW + 600_000).unwrap().wrong, u32::MAX);
        for stored in [None, Some("nonsense"), Some("{}")] {
            assert_eq!(GuessRecord::read(stored), GuessRecord::default());
        }
    }
}
