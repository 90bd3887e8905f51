//! What is left of a day's quota at WeChat, counted by all pods together.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Store, StoreError};
use crate::scene::AccountName;

const DAY: u64 = 24 * 60 * 60;
/// WeChat's quotas begin anew at midnight in China.
const CHINA: u64 = 8 * 60 * 60;

/// Counts calls of one kind against a day's quota. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Budget {
    store: Store,
    call: &'static str,
}

impl Budget {
    /// The day's calls of this kind.
    pub fn new(store: Store, call: &'static str) -> Self {
        Self { store, call }
    }

    /// Counts one call and answers how many there were today.
    pub async fn spend(&self, account: &AccountName, now: SystemTime) -> Result<u64, StoreError> {
        let name = format!("budget:{}:{account}:{}", self.call, day(now));
        self.store.count(&name, Duration::from_secs(2 * DAY)).await
    }
}

/// The number of days since 1970 in China.
fn day(now: SystemTime) -> u64 {
    (now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + CHINA) / DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_at_midnight_in_china() {
        // 2026-11-20T16:00:00Z is midnight there.
        let midnight = UNIX_EPOCH + Duration::from_secs(1_795_190_400);
        assert_eq!(day(midnight), day(midnight - Duration::from_secs(1)) + 1);
        assert_eq!(day(midnight), day(midnight + Duration::from_secs(DAY - 1)));
    }
}
