//! The API calls that WeChat has seen.

use std::collections::{BTreeMap, VecDeque};

use scenecast_shared::scene::AccountName;
use serde::Serialize;

/// So many calls are told one by one, the newest; a load test makes more than anybody reads.
const KEPT: usize = 65_536;

/// How often one path of the API was called, by result: `ok`, an `errcode`, or the fault that
/// happened instead of an answer (`html`, `empty`, `closed`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Calls(BTreeMap<String, u64>);

impl Calls {
    /// With any result.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// With this one.
    pub fn with(&self, result: &str) -> u64 {
        self.0.get(result).copied().unwrap_or(0)
    }
}

/// One call, as WeChat saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// When it was answered, in milliseconds of the unix time by the simulator's clock.
    pub at_ms: u64,
    /// What was called.
    pub path: String,
    /// As in [`Calls`].
    pub result: String,
    /// The access token that it came with, or that it got.
    pub token: Option<TokenUse>,
}

/// An access token without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenUse {
    /// Whose.
    pub account: AccountName,
    /// Which of the account's tokens, from 1 in the order in which they were issued.
    pub generation: u64,
}

/// All calls, counted, and the newest of them.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    counts: BTreeMap<String, Calls>,
    newest: VecDeque<Call>,
}

impl CallLog {
    pub(crate) fn add(&mut self, call: Call) {
        *self.counts.entry(call.path.clone()).or_default().0.entry(call.result.clone()).or_default() += 1;
        if self.newest.len() == KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(call);
    }

    pub(crate) fn counts(&self) -> &BTreeMap<String, Calls> {
        &self.counts
    }

    /// Oldest first.
    pub(crate) fn newest(&self) -> Vec<Call> {
        self.newest.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_newest_are_told() {
        let mut log = CallLog::default();
        for at_ms in 0..70_000 {
            log.add(Call { at_ms, path: "/cgi-bin/token".to_owned(), result: "ok".to_owned(), token: None });
        }
        assert_eq!(log.counts()["/cgi-bin/token"].with("ok"), 70_000);
        let newest = log.newest();
        assert_eq!((newest.len(), newest[0].at_ms, newest[KEPT - 1].at_ms), (KEPT, 70_000 - 65_536, 69_999));
    }
}
