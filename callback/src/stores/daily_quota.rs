//! How much of a day's quota at WeChat is used, counted by all pods together.

use std::time::{Duration, SystemTime};

use scenecast_bus::{Store, StoreError};
use scenecast_scene::AccountName;
use scenecast_service::admission::ClientPrefix;

use crate::clock::china_day;

/// How long a day's count is kept. It ends after the day, whenever in the day it began.
const COUNT_LIFE: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// More than WeChat grants of anything. Version 0.2 sets a day's count to this when WeChat refuses a code.
const REFUSED_BY_0_2: u64 = 1_000_000_000_000;

/// How many calls [`DailyQuota::count_batch`] counts at a time.
pub const CALLS_IN_BATCH: u64 = 10;

/// Counts the calls of one kind against a day's quota. Clones share the count.
#[derive(Debug, Clone)]
pub struct DailyQuota {
    store: Store,
    call: &'static str,
}

impl DailyQuota {
    /// The quota of this call, which is a path of WeChat's API.
    pub fn new(store: Store, call: &'static str) -> Self {
        Self { store, call }
    }

    /// Counts one call. Returns how many were made today, with this one.
    pub async fn count_call(&self, account: &AccountName, now: SystemTime) -> Result<u64, StoreError> {
        Ok(self.store.count(&self.key(account, now), COUNT_LIFE).await? % REFUSED_BY_0_2)
    }

    /// Counts ten calls more for the clients of this prefix. Returns the sum of the day.
    pub async fn count_batch(
        &self,
        account: &AccountName,
        clients: ClientPrefix,
        now: SystemTime,
    ) -> Result<u64, StoreError> {
        let name = format!("{}:{clients}", self.key(account, now));
        Ok(self.store.count(&name, COUNT_LIFE).await?.saturating_mul(CALLS_IN_BATCH))
    }

    fn key(&self, account: &AccountName, now: SystemTime) -> String {
        format!("budget:{}:{account}:{}", self.call, china_day(now))
    }
}
