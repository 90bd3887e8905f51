//! The time of day, and the days in China, where WeChat's quotas begin anew at midnight. Tests let the clock run
//! ahead, as the simulator's does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use time::{Date, OffsetDateTime, UtcOffset, macros::offset};

/// China's time all year.
pub(crate) const CHINA: UtcOffset = offset!(+8);

/// A clock. Clones are the same one; the default is right.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_secs: Arc<AtomicU64>,
}

impl Clock {
    /// Lets it run ahead by so many whole seconds more.
    pub fn advance(&self, time: Duration) {
        self.ahead_secs.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.ahead_secs.load(Ordering::Relaxed))
    }
}

/// The day that it is in China.
fn china_date(now: SystemTime) -> Date {
    OffsetDateTime::from(now).to_offset(CHINA).date()
}

/// The number of days since 1970 in China, as it stands in the names of stored counts.
pub(crate) fn china_day(now: SystemTime) -> i64 {
    (china_date(now) - OffsetDateTime::UNIX_EPOCH.date()).whole_days()
}

/// When the next day begins in China.
pub fn next_china_day(now: SystemTime) -> SystemTime {
    let tomorrow = china_date(now).next_day().unwrap_or(Date::MAX);
    tomorrow.midnight().assume_offset(CHINA).into()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn the_day_begins_at_midnight_in_china() {
        // 2026-11-20T16:00:00Z is midnight there.
        let midnight = UNIX_EPOCH + Duration::from_secs(1_795_190_400);
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
        assert_eq!(china_day(midnight), china_day(midnight - second) + 1);
        assert_eq!(china_day(midnight), china_day(midnight + day - second));
        assert_eq!(china_day(UNIX_EPOCH + Duration::from_secs(1_800_000_000)), 20_833);
        assert_eq!(next_china_day(midnight - second), midnight);
        assert_eq!(next_china_day(midnight), midnight + day);
    }
}
