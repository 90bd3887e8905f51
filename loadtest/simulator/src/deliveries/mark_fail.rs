//! `MarkFail`: WeChat stops pushing to an account for a while, after many pushes in a row have failed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use scenecast_scene::AccountName;

use super::attempt::CallbackAnswer;
use crate::faults::MarkFail;

/// The accounts whose pushes have failed.
#[derive(Debug, Default)]
pub(super) struct FailedPushes(Mutex<BTreeMap<AccountName, Failures>>);

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    pushed_again_at: Option<Instant>,
}

impl FailedPushes {
    /// Whether WeChat pushes nothing to this account now.
    pub(super) fn is_marked(&self, account: &AccountName) -> bool {
        let failures = self.0.lock();
        failures.get(account).and_then(|failures| failures.pushed_again_at).is_some_and(|at| Instant::now() < at)
    }

    /// Notes what became of an attempt to push to this account.
    pub(super) fn note(&self, account: &AccountName, answer: &CallbackAnswer, rule: MarkFail) {
        let mut failures = self.0.lock();
        let failures = failures.entry(account.clone()).or_default();
        if matches!(answer, CallbackAnswer::Got { status: 200, .. }) {
            failures.in_a_row = 0;
            return;
        }
        failures.in_a_row += 1;
        if failures.in_a_row >= rule.failures {
            tracing::warn!(%account, ?rule, "MarkFail: too many pushes failed, so nothing is pushed for a while");
            *failures =
                Failures { in_a_row: 0, pushed_again_at: Some(Instant::now() + Duration::from_millis(rule.pause_ms)) };
        }
    }
}
