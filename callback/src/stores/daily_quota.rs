//! How much of a day's quota at WeChat is used, counted by all pods together.
//!
//! While much of a quota is left, a pod counts several calls at once, and makes them one after the other. So most calls cost
//! Redis nothing. What a pod has counted and not made when it ends, or when the day ends, is lost: 15 calls at most. So is a
//! block whose answer nobody waited for.
//!
//! ```text
//! count_call ──there are calls that were counted──▶ the next of them
//!        └──there are none──▶ Redis counts a block ──▶ the first of them; the others are kept
//!             └──and a block is being counted──▶ Redis counts one
//! ```
//!
//! See docs/decisions/114-qr-codes-are-counted-in-blocks.md.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use scenecast_bus::{Store, StoreError};
use scenecast_scene::AccountName;
use scenecast_service::admission::ClientPrefix;

use crate::clock::china_day;

/// How long a day's count is kept. It ends after the day, whenever in the day it began.
const COUNT_LIFE: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// More than WeChat grants of anything. Version 0.2 sets a day's count to this when WeChat refuses a code.
const REFUSED_BY_0_2: u64 = 1_000_000_000_000;
/// The most calls that are counted at once …
const LARGEST_BLOCK: u64 = 16;
/// … and the smallest part of what is left that they may be: what a pod loses has to be next to nothing.
const SMALLEST_PART: u64 = 1024;

/// How many calls [`DailyQuota::count_batch`] counts at a time.
pub const CALLS_IN_BATCH: u64 = 10;

/// Counts the calls of one kind against a day's quota. Clones share the count.
#[derive(Debug, Clone)]
pub struct DailyQuota {
    store: Store,
    call: &'static str,
    counted: Arc<Mutex<HashMap<AccountName, CountedCalls>>>,
}

impl DailyQuota {
    /// The quota of this call, which is a path of WeChat's API.
    pub fn new(store: Store, call: &'static str) -> Self {
        Self { store, call, counted: Arc::default() }
    }

    /// Counts one call against a quota of so many a day. Returns which call of the day it is: 1 is the first. Beyond the
    /// quota it must not be made.
    pub async fn count_call(&self, account: &AccountName, quota: u64, now: SystemTime) -> Result<u64, StoreError> {
        let day = china_day(now);
        let several = match self.counted.lock().entry(account.clone()).or_default().next(day, quota) {
            NextCall::Counted(number) => return Ok(number),
            NextCall::ToCount(several) => several,
        };
        let counting = (several > 1).then(|| BlockBeingCounted { quota: self, account });
        let sum = self.store.count_several(&self.key(account, now), several, COUNT_LIFE).await?;
        let sum = sum % REFUSED_BY_0_2;
        if let Some(calls) = self.counted.lock().get_mut(account) {
            calls.counted(day, sum, several - 1);
        }
        drop(counting);
        Ok(sum.saturating_sub(several - 1))
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

/// What this pod knows of the calls of one account. No I/O.
#[derive(Debug, Default)]
struct CountedCalls {
    day: i64,
    /// How many calls all pods have counted, as far as this one knows.
    sum: u64,
    /// How many of the last of them this pod has yet to make.
    unmade: u64,
    is_counting: bool,
}

/// What becomes of a call.
#[derive(Debug, PartialEq, Eq)]
enum NextCall {
    /// It was counted before, and has this number.
    Counted(u64),
    /// So many are to be counted, and it is the first of them.
    ToCount(u64),
}

impl CountedCalls {
    fn next(&mut self, day: i64, quota: u64) -> NextCall {
        if day != self.day {
            // Until Redis says how much is left of the day, calls are counted one by one.
            *self = Self { day, sum: quota, ..Self::default() };
        }
        if self.unmade > 0 {
            self.unmade -= 1;
            return NextCall::Counted(self.sum - self.unmade);
        }
        if self.is_counting {
            return NextCall::ToCount(1);
        }
        let several = (quota.saturating_sub(self.sum) / SMALLEST_PART).clamp(1, LARGEST_BLOCK);
        self.is_counting = several > 1;
        NextCall::ToCount(several)
    }

    /// Redis has counted calls for this pod, up to this sum. It has yet to make so many of them.
    fn counted(&mut self, day: i64, sum: u64, unmade: u64) {
        // A call that was counted by itself, and is told of late, ends no block that is kept.
        if day == self.day && (unmade > 0 || self.unmade == 0) {
            (self.sum, self.unmade) = (sum, unmade);
        }
    }
}

/// While this lives, a block is being counted. It may be dropped at any time: then the next call counts a block.
struct BlockBeingCounted<'a> {
    quota: &'a DailyQuota,
    account: &'a AccountName,
}

impl Drop for BlockBeingCounted<'_> {
    fn drop(&mut self) {
        if let Some(calls) = self.quota.counted.lock().get_mut(self.account) {
            calls.is_counting = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: u64 = 100_000;

    #[test]
    fn calls_are_counted_in_blocks_while_much_is_left() {
        let mut calls = CountedCalls::default();
        assert_eq!(calls.next(1, QUOTA), NextCall::ToCount(1), "nothing is known of the day");
        calls.counted(1, 7, 0);
        assert_eq!(calls.next(1, QUOTA), NextCall::ToCount(16));
        assert_eq!(calls.next(1, QUOTA), NextCall::ToCount(1), "a burst takes no more than one block");
        calls.is_counting = false;
        calls.counted(1, 23, 15);
        calls.counted(1, 24, 0);
        let made: Vec<_> = (0..15).map(|_| calls.next(1, QUOTA)).collect();
        assert_eq!(made, (9..=23).map(NextCall::Counted).collect::<Vec<_>>(), "each has a number of its own");
        assert_eq!(calls.next(1, QUOTA), NextCall::ToCount(16));
        assert_eq!(calls.next(2, QUOTA), NextCall::ToCount(1), "the rest of yesterday's is lost");
        calls.counted(1, 39, 15);
        assert_eq!(calls.next(2, QUOTA), NextCall::ToCount(1), "and so is what comes late");
    }

    #[test]
    fn a_block_is_a_thousandth_of_what_is_left() {
        for (quota, counted, several) in [
            (QUOTA, 0, 16),
            (QUOTA, QUOTA - 16 * 1024, 16),
            (QUOTA, QUOTA - 16 * 1024 + 1, 15),
            (QUOTA, QUOTA - 2047, 1),
            (QUOTA, QUOTA + 5, 1),
            (1000, 0, 1),
            (0, 0, 1),
            (u64::MAX, 0, 16),
        ] {
            let mut calls = CountedCalls { day: 1, sum: counted, ..CountedCalls::default() };
            assert_eq!(calls.next(1, quota), NextCall::ToCount(several), "{quota} {counted}");
        }
    }
}
