//! How fast somebody may guess typed codes: slowed down, never locked out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::{
    scene::{AccountName, DeliveryId, OpenId},
    time::millis,
};

/// Wrong guesses that cost nothing: people mistype.
const FREE: u32 = 5;
/// The pause after the first wrong guess beyond those; it doubles with each.
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Who has guessed nothing for so long begins anew.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// Whether somebody may guess now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// They may, and it is counted as wrong until [`Guesses::right`] says otherwise.
    Allowed,
    /// Not before so long from now. It isn't counted.
    SlowDown(Duration),
}

/// Who guesses how fast. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Guesses(Store);

impl Guesses {
    /// In this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Somebody guesses, at this unix time. Of guesses at the same time each is counted before its
    /// outcome is known, so no number of them at once gets round the pauses. The last delivery is the
    /// same guess when it comes again.
    pub async fn guess(
        &self,
        account: &AccountName,
        openid: &OpenId,
        delivery: DeliveryId,
        now: Duration,
    ) -> Result<Guess, StoreError> {
        let guess = |stored: Option<&str>| match Record::read(stored).guess(delivery, millis(now)) {
            Ok(record) => (Some(record.written()), Guess::Allowed),
            Err(wait) => (stored.map(str::to_owned), Guess::SlowDown(wait)),
        };
        self.0.update(&guesses(account, openid), Some(FORGOTTEN), guess).await
    }

    /// This guess was right. If it is the last one, it is taken off the count, and no more than it, or a
    /// code of one's own would pay for guessing others'.
    pub async fn right(&self, account: &AccountName, openid: &OpenId, delivery: DeliveryId) -> Result<(), StoreError> {
        let right = |stored: Option<&str>| (stored.map(|_| Record::read(stored).right(delivery).written()), ());
        self.0.update(&guesses(account, openid), Some(FORGOTTEN), right).await
    }
}

fn guesses(account: &AccountName, openid: &OpenId) -> String {
    format!("guess:{account}:{openid}")
}

/// What is remembered of somebody's guesses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    wrong: u32,
    /// When the last one was made, in unix milliseconds.
    last: u64,
    /// The delivery that made it.
    delivery: Option<DeliveryId>,
    /// Whether it is known to have been right.
    right: bool,
}

impl Record {
    /// What can't be read is no reason to lock somebody out.
    fn read(stored: Option<&str>) -> Self {
        stored.and_then(|stored| serde_json::from_str(stored).ok()).unwrap_or_default()
    }

    fn written(self) -> String {
        serde_json::to_string(&self).expect("a record has string keys only")
    }

    /// Counts a guess, or says how long to wait for it.
    fn guess(self, delivery: DeliveryId, now: u64) -> Result<Self, Duration> {
        if self.delivery == Some(delivery) {
            return Ok(self);
        }
        // A pod's clock may be a little behind another's.
        let since = Duration::from_millis(now.saturating_sub(self.last));
        let wrong = if since < FORGOTTEN { self.wrong } else { 0 };
        match pause(wrong).checked_sub(since) {
            None | Some(Duration::ZERO) => {
                Ok(Self { wrong: wrong.saturating_add(1), last: now, delivery: Some(delivery), right: false })
            }
            Some(wait) => Err(wait),
        }
    }

    fn right(self, delivery: DeliveryId) -> Self {
        if self.right || self.delivery != Some(delivery) {
            return self;
        }
        Self { wrong: self.wrong.saturating_sub(1), right: true, ..self }
    }
}

/// How long after so many wrong guesses the next one may be made.
fn pause(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(beyond) => SHORTEST.saturating_mul(1 << beyond.min(20)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: u64 = 60 * 60 * 1000;

    fn after(wrong: u32) -> Record {
        Record { wrong, last: NOW, ..Record::default() }
    }

    /// One that nothing else is.
    fn delivery() -> DeliveryId {
        DeliveryId::of(&[&rand::random::<u64>().to_string()])
    }

    fn counted(record: Result<Record, Duration>) -> Result<(u32, u64), Duration> {
        record.map(|record| (record.wrong, record.last))
    }

    #[test]
    fn five_mistakes_are_free_and_each_more_doubles_the_pause() {
        let mut record = Record::default();
        for _ in 0..5 {
            record = record.guess(delivery(), NOW).unwrap();
        }
        for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            let pause = Duration::from_secs(seconds);
            let now = record.last;
            assert_eq!(record.guess(delivery(), now), Err(pause));
            assert_eq!(record.guess(delivery(), now + 1_500), Err(pause.saturating_sub(Duration::from_millis(1_500))));
            record = record.guess(delivery(), now + millis(pause)).unwrap();
        }
    }

    #[test]
    fn an_hour_without_a_guess_is_forgiven() {
        assert_eq!(counted(after(20).guess(delivery(), NOW + HOUR)), Ok((1, NOW + HOUR)));
        assert_eq!(counted(after(20).guess(delivery(), NOW + HOUR - 1)), Ok((21, NOW + HOUR - 1)));
    }

    #[test]
    fn a_right_guess_takes_back_itself_only() {
        let (one, other) = (delivery(), delivery());
        let guessed = after(4).guess(one, NOW).unwrap();
        assert_eq!(guessed.right(one).wrong, 4);
        assert_eq!(guessed.right(one).right(one).wrong, 4);
        assert_eq!(guessed.right(other), guessed);
        assert_eq!(after(0).right(one), after(0));
        assert_eq!(guessed.right(one).guess(other, NOW).unwrap().right(one).wrong, 5, "a later guess is not it");
    }

    #[test]
    fn the_same_delivery_is_the_same_guess() {
        let one = delivery();
        let guessed = after(4).guess(one, NOW).unwrap();
        assert_eq!(guessed.guess(one, NOW + 1), Ok(guessed), "though the next would have to wait");
        assert_eq!(guessed.guess(delivery(), NOW + 1), Err(Duration::from_millis(1_999)));
    }

    #[test]
    fn a_day_of_guessing_finds_next_to_nothing() {
        let (mut record, mut now, mut guesses) = (Record::default(), NOW, 0_u32);
        while now < NOW + 24 * HOUR {
            match record.guess(delivery(), now) {
                Ok(counted) => (record, guesses) = (counted, guesses + 1),
                Err(wait) => now += millis(wait),
            }
        }
        assert!(guesses < 170, "{guesses} guesses, each right once in a million times");
    }

    #[test]
    fn neither_a_clock_that_is_behind_nor_nonsense_locks_anybody_out() {
        assert_eq!(after(5).guess(delivery(), NOW - 60_000), Err(Duration::from_secs(2)));
        assert_eq!(after(u32::MAX).guess(delivery(), NOW + 600_000).unwrap().wrong, u32::MAX);
        for stored in [None, Some("nonsense"), Some("{}")] {
            assert_eq!(Record::read(stored), Record::default());
        }
    }
}
