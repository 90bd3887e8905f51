//! A limit on how often something may be done.

use std::time::{Duration, Instant};

/// A counter that restarts when its period is over. WeChat counts from midnight to midnight in Beijing. Here the day
/// begins with the first use, so that no test fails at midnight.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: u32,
    period: Duration,
    since: Option<Instant>,
    used: u32,
}

impl Quota {
    /// At most `limit` uses a day.
    pub(crate) fn a_day(limit: u32) -> Self {
        Self { limit, period: Duration::from_secs(24 * 3600), since: None, used: 0 }
    }

    /// At most `limit` uses a minute.
    pub(crate) fn a_minute(limit: u32) -> Self {
        Self { period: Duration::from_secs(60), ..Self::a_day(limit) }
    }

    /// Uses the quota once. False if it is used up.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now >= since + self.period) {
            self.since = Some(now);
            self.used = 0;
        }
        if self.used == self.limit {
            return false;
        }
        self.used += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_full_again_after_a_day() {
        let mut quota = Quota::a_day(2);
        let now = Instant::now();
        assert_eq!([quota.take(now), quota.take(now), quota.take(now)], [true, true, false]);
        assert!(!quota.take(now + Duration::from_secs(24 * 3600 - 1)));
        assert!(quota.take(now + Duration::from_secs(24 * 3600)));
    }
}
