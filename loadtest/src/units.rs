//! Counts and times as numbers with a fraction.

use std::time::Duration;

/// A count as a number with a fraction.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}

/// In milliseconds, to the microsecond.
pub(crate) fn to_millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
