//! What is left of a day's quota at WeChat, counted by all pods together.

use std::time::{Duration, SystemTime};

use super::{Store, StoreError};
use crate::{scene::AccountName, time::china_day};

/// A day's count is kept so long, whenever in the day it began.
const KEPT: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// More than WeChat grants of anything: what is counted on from here was used up before.
const USED_UP: u64 = 1_000_000_000_000;

/// What became of a day's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// So many calls were made today, this one among them.
    Calls(u64),
    /// WeChat has said that there are no more today.
    UsedUp,
}

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

    /// Counts one call.
    pub async fn spend(&self, account: &AccountName, now: SystemTime) -> Result<Spent, StoreError> {
        let calls = self.store.count(&self.name(account, now), KEPT).await?;
        Ok(if calls > USED_UP { Spent::UsedUp } else { Spent::Calls(calls) })
    }

    /// Tells all pods that WeChat says there are no more today: it counts what others make for this
    /// account, too.
    pub async fn use_up(&self, account: &AccountName, now: SystemTime) -> Result<(), StoreError> {
        self.store.put(&self.name(account, now), USED_UP.to_string(), KEPT).await
    }

    fn name(&self, account: &AccountName, now: SystemTime) -> String {
        format!("budget:{}:{account}:{}", self.call, china_day(now))
    }
}
