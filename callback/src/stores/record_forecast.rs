//! Whether the people who log in now have a record, by what was found of the last ones.
//!
//! See docs/decisions/116-a-person-without-a-record-is-looked-up-in-the-same-step.md.

use std::sync::{
    Arc,
    atomic::{AtomicI8, Ordering},
};

/// How many more logins of the one kind than of the other are remembered.
const MOST: i8 = 16;
/// How many more people must have had no record before the next one is expected to have none.
const ENOUGH: i8 = 8;

/// A forecast of whether the next person has a record. It costs a round trip to Redis if it is wrong, and saves one if it
/// is right that there is none. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct RecordForecast(Arc<AtomicI8>);

impl RecordForecast {
    /// Whether the next person probably has no record.
    pub fn expects_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= ENOUGH
    }

    /// Whether one more person had a record.
    pub fn learn(&self, has_record: bool) {
        let step = if has_record { -1 } else { 1 };
        // Two at once may count as one, which changes no forecast for long.
        let balance = self.0.load(Ordering::Relaxed).saturating_add(step);
        self.0.store(balance.clamp(-MOST, MOST), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forecast_follows_what_most_of_the_last_logins_were() {
        let forecast = RecordForecast::default();
        let learn_until = |has_record, expects_none| {
            let learnt = (1..100).find(|_| {
                forecast.learn(has_record);
                forecast.expects_none() == expects_none
            });
            learnt.unwrap()
        };
        assert!(!forecast.expects_none(), "nothing is known");
        assert_eq!(learn_until(false, true), 8);
        for _ in 0..1000 {
            forecast.learn(false);
        }
        assert_eq!(learn_until(true, false), 9, "a change is followed soon, however long it was otherwise");
    }
}
