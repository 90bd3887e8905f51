//! Waiting for what nothing tells of.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a fixture or a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it asks.
const AGAIN: Duration = Duration::from_millis(5);

/// Asks again and again, where nothing tells when; panics if it never happens that `what`.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "it never happened that {what}");
        sleep(AGAIN).await;
    }
}
