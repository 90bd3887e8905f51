//! The time of day, and durations as the numbers that we send and store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;
/// China is so far ahead of UTC all year.
const CHINA: u64 = 8 * 60 * 60;

/// The time since 1970. A clock that is set to before that fails every signature, and nothing worse.
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in milliseconds.
pub fn unix_now_ms() -> u64 {
    millis(unix_now())
}

/// Whole milliseconds; what is too long to count is as good as for ever, and can still be added to.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

/// The number of days since 1970 in China, where WeChat's quotas begin anew at midnight.
pub fn china_day(now: SystemTime) -> u64 {
    (now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + CHINA) / DAY
}

/// When the next of these days begins.
pub fn next_china_day(now: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((china_day(now) + 1) * DAY - CHINA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_at_midnight_in_china() {
        // 2026-11-20T16:00:00Z is midnight there.
        let midnight = UNIX_EPOCH + Duration::from_secs(1_795_190_400);
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(DAY));
        assert_eq!(china_day(midnight), china_day(midnight - second) + 1);
        assert_eq!(china_day(midnight), china_day(midnight + day - second));
        assert_eq!(next_china_day(midnight - second), midnight);
        assert_eq!(next_china_day(midnight), midnight + day);
    }
}
