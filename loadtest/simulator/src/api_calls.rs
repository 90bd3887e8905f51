//! The log of the API calls that WeChat received.

use std::collections::{BTreeMap, VecDeque};

use scenecast_scene::AccountName;
use serde::Serialize;

/// The log keeps this many calls one by one. A load test makes more calls than anybody reads.
const MAX_KEPT_CALLS: usize = 65_536;

/// How often one path of the API was called, by result: `ok`, an `errcode`, or the fault that happened instead of an
/// answer (`html`, `empty`, `closed`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ApiCallCounts(BTreeMap<String, u64>);

impl ApiCallCounts {
    /// The number of calls, whatever their result.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The number of calls with this result.
    pub fn with(&self, result: &str) -> u64 {
        self.0.get(result).copied().unwrap_or(0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedCall {
    /// When it was answered: unix time in milliseconds, by the simulator's clock.
    pub at_ms: u64,
    /// The path that was called.
    pub path: String,
    /// The result, as in [`ApiCallCounts`].
    pub result: String,
    /// The access token that the caller sent or was given.
    pub token: Option<TokenUse>,
}

/// Identifies an access token without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenUse {
    /// The account that the token belongs to.
    pub account: AccountName,
    /// The token's number among the account's tokens, from 1, in the order in which they were issued.
    pub generation: u64,
}

/// Counts all calls, and keeps the newest ones.
#[derive(Debug, Default)]
pub(crate) struct ApiCallLog {
    counts: BTreeMap<String, ApiCallCounts>,
    newest: VecDeque<LoggedCall>,
}

impl ApiCallLog {
    pub(crate) fn add(&mut self, call: LoggedCall) {
        let counts = self.counts.entry(call.path.clone()).or_default();
        *counts.0.entry(call.result.clone()).or_default() += 1;
        if self.newest.len() == MAX_KEPT_CALLS {
            self.newest.pop_front();
        }
        self.newest.push_back(call);
    }

    pub(crate) fn counts(&self) -> &BTreeMap<String, ApiCallCounts> {
        &self.counts
    }

    /// The newest calls, oldest first.
    pub(crate) fn newest(&self) -> Vec<LoggedCall> {
        self.newest.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_calls_are_counted_and_the_newest_are_kept() {
        let mut log = ApiCallLog::default();
        for at_ms in 0..70_000 {
            log.add(LoggedCall { at_ms, path: "/cgi-bin/token".to_owned(), result: "ok".to_owned(), token: None });
        }
        assert_eq!(log.counts()["/cgi-bin/token"].with("ok"), 70_000);
        let newest = log.newest();
        assert_eq!(
            (newest.len(), newest[0].at_ms, newest[MAX_KEPT_CALLS - 1].at_ms),
            (MAX_KEPT_CALLS, 70_000 - 65_536, 69_999)
        );
    }
}
