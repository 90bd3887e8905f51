//! The clock, and durations as the numbers that we send and store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// China is 8 h ahead of UTC, all year.
const CHINA_OFFSET: u64 = 8 * 60 * 60;

/// The time since 1970-01-01 UTC. Zero if the clock is set before 1970; then every check of a signature fails.
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since 1970-01-01 UTC.
pub fn unix_now_ms() -> u64 {
    millis(unix_now())
}

/// Whole milliseconds, at most `u64::MAX / 4`, so that a caller can add to it without overflow.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

/// The number of days since 1970-01-01 in China. WeChat's daily quotas are reset at midnight there.
pub fn china_day(now: SystemTime) -> u64 {
    (now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + CHINA_OFFSET) / DAY_SECONDS
}

/// The next midnight in China.
pub fn next_china_day(now: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((china_day(now) + 1) * DAY_SECONDS - CHINA_OFFSET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_at_midnight_in_china() {
        // 2026-11-20T16:00:00Z is midnight there.
        let midnight = UNIX_EPOCH + Duration::from_secs(1_795_190_400);
        let second = Duration::from_secs(1);
        let day = Duration::from_secs(DAY_SECONDS);
        assert_eq!(china_day(midnight), china_day(midnight - second) + 1);
        assert_eq!(china_day(midnight), china_day(midnight + day - second));
        assert_eq!(next_china_day(midnight - second), midnight);
        assert_eq!(next_china_day(midnight), midnight + day);
    }
}
