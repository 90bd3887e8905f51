//! The time of day, and durations as the numbers that we send and store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
