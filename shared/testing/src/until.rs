//! Waits for a condition by polling.

use std::time::Duration;

use tokio::time::{Instant, sleep};

const TIMEOUT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(5);

/// Checks every 5 ms until the condition holds, for conditions that nothing reports. Panics after 30 s with the text of
/// `what`, such as "the replica is a primary".
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds().await {
        assert!(Instant::now() < deadline, "it did not happen within 30 s that {what}");
        sleep(INTERVAL).await;
    }
}
