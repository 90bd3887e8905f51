//! How often something may be done.

use std::time::{Duration, Instant};

/// A count that begins anew when its period is over. WeChat counts from midnight to midnight in
/// Beijing; here the first use begins the day, so that a test never crosses one unawares.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: u32,
    period: Duration,
    since: Option<Instant>,
    used: u32,
}

impl Quota {
    /// So many a day.
    pub(crate) fn a_day(limit: u32) -> Self {
        Self { limit, period: Duration::from_secs(24 * 3600), since: None, used: 0 }
    }

    /// So many a minute.
    pub(crate) fn a_minute(limit: u32) -> Self {
        Self { period: Duration::from_secs(60), ..Self::a_day(limit) }
    }

    /// Uses it once, or says that it is used up.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now >= since + self.period) {
            (self.since, self.used) = (Some(now), 0);
        }
        let left = self.used < self.limit;
        self.used += u32::from(left);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_quota_is_there_again_the_next_day() {
        let (mut quota, now) = (Quota::a_day(2), Instant::now());
        assert_eq!([quota.take(now), quota.take(now), quota.take(now)], [true, true, false]);
        assert!(!quota.take(now + Duration::from_secs(24 * 3600 - 1)));
        assert!(quota.take(now + Duration::from_secs(24 * 3600)));
    }
}
