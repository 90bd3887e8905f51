//! Random delays, so that pages that wait for the same thing don't all go on at the same moment.

use std::time::Duration;

/// Sleeps for 60 to 140 % of this time.
pub(super) async fn sleep_with_jitter(time: Duration) {
    tokio::time::sleep(with_jitter(time)).await;
}

/// 60 to 140 % of this time.
pub(super) fn with_jitter(time: Duration) -> Duration {
    time.mul_f32(rand::random_range(0.6..1.4))
}
