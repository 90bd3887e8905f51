//! The access token that this process has, when it is due to be renewed, and how long WeChat isn't asked again after it
//! gave none. No I/O.

use std::time::{Duration, Instant};

use scenecast_scene::time::unix_now_ms;

use super::client::CallError;
use crate::stores::StoredToken;

/// A token is renewed this long before its end, when WeChat already answers a new one. A random part of the jitter is
/// subtracted, so that the pods don't renew at the same time.
const RENEW_AHEAD_MS: u64 = 280_000;
const JITTER_MS: u64 = 120_000;
/// A token that ends within this time isn't used, because the call has to reach WeChat before the end.
const MARGIN_MS: u64 = 5_000;
/// The pause after an attempt to renew ahead of the end.
const RENEW_PAUSE_MS: u64 = 10_000;
/// The pause after WeChat gave no token. It doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct TokenState {
    token: Option<HeldToken>,
    failure: Option<FetchFailure>,
}

struct HeldToken {
    stored: StoredToken,
    renew_at: u64,
}

/// WeChat gave no token.
struct FetchFailure {
    error: CallError,
    /// How many times in a row.
    times: u32,
    retry_at: Instant,
}

/// A token that a call may use now.
pub(super) struct UsableToken {
    pub(super) token: String,
    /// Whether the caller has to renew it. Other callers get `false` for a while.
    pub(super) is_due: bool,
}

impl TokenState {
    /// The token, if there is one that lasts.
    pub(super) fn use_token(&mut self) -> Option<UsableToken> {
        let held = self.token.as_mut().filter(|held| lasts(&held.stored))?;
        let now = unix_now_ms();
        let is_due = now >= held.renew_at;
        if is_due {
            held.renew_at = now + RENEW_PAUSE_MS;
        }
        Some(UsableToken { token: held.stored.token.clone(), is_due })
    }

    /// The token, whether it lasts or not.
    pub(super) fn stored(&self) -> Option<&StoredToken> {
        self.token.as_ref().map(|held| &held.stored)
    }

    /// The last failure, for as long as its pause lasts.
    pub(super) fn check_pause(&self) -> Result<(), CallError> {
        match &self.failure {
            Some(failure) if Instant::now() < failure.retry_at => Err(failure.error.clone()),
            _ => Ok(()),
        }
    }

    pub(super) fn record_failure(&mut self, error: &CallError) {
        let before = self.failure.as_ref().map_or(0, |failure| failure.times);
        let pause = FIRST_PAUSE.saturating_mul(1 << before.min(10)).min(LONGEST_PAUSE);
        self.failure = Some(FetchFailure { error: error.clone(), times: before + 1, retry_at: Instant::now() + pause });
    }

    /// Replaces the token. Earlier failures are over.
    pub(super) fn keep(&mut self, stored: StoredToken) {
        let renew_at = if self.token.as_ref().is_some_and(|old| old.stored.token == stored.token) {
            // WeChat gave the old token again. The next attempt waits a little.
            unix_now_ms() + RENEW_PAUSE_MS
        } else {
            stored.expires_at.saturating_sub(RENEW_AHEAD_MS - rand::random_range(0..JITTER_MS))
        };
        *self = Self { token: Some(HeldToken { stored, renew_at }), failure: None };
    }
}

/// Whether a call may still use this token.
pub(super) fn lasts(stored: &StoredToken) -> bool {
    stored.expires_at > unix_now_ms() + MARGIN_MS
}
