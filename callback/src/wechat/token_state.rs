//! The access token that this process has, when it is due to be renewed, and which one WeChat has refused. No I/O.
//!
//! See docs/decisions/083-a-wechat-that-gives-no-answer-is-left-alone-for-seconds.md.

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
/// WeChat isn't asked again for so long after it gave a token that it had refused.
const CONFIRMED_FOR: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct TokenState {
    token: Option<HeldToken>,
    /// The token that WeChat refused last. It is dead, unless WeChat itself gives it again.
    refused: Option<String>,
    failure: Option<FetchFailure>,
}

struct HeldToken {
    stored: StoredToken,
    renew_at: u64,
    /// Until when WeChat isn't asked for another one, if WeChat gave this one after it had refused it.
    confirmed_until: Option<Instant>,
}

/// WeChat gave no token.
struct FetchFailure {
    error: CallError,
    at: Instant,
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

    /// WeChat has refused this token, so nobody uses it any more. `false` if WeChat gave it again a moment ago, and
    /// would give no other.
    pub(super) fn refuse(&mut self, token: &str) -> bool {
        let held = self.token.take_if(|held| held.stored.token == token);
        if held.as_ref().and_then(|held| held.confirmed_until).is_some_and(|until| Instant::now() < until) {
            self.token = held;
            return false;
        }
        self.refused = Some(token.to_owned());
        true
    }

    /// The token that WeChat refused last.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.clone()
    }

    /// Why WeChat gave no token, if it was asked since then.
    pub(super) fn failure_since(&self, then: Instant) -> Option<CallError> {
        self.failure.as_ref().filter(|failure| failure.at >= then).map(|failure| failure.error.clone())
    }

    pub(super) fn record_failure(&mut self, error: &CallError) {
        self.failure = Some(FetchFailure { error: error.clone(), at: Instant::now() });
    }

    /// Replaces the token. Earlier failures are over.
    pub(super) fn keep(&mut self, stored: StoredToken) {
        let was_refused = self.refused.as_ref() == Some(&stored.token);
        let confirmed_until = was_refused.then(|| Instant::now() + CONFIRMED_FOR);
        let renew_at = if self.token.as_ref().is_some_and(|old| old.stored.token == stored.token) {
            // WeChat gave the old token again. The next attempt waits a little.
            unix_now_ms() + RENEW_PAUSE_MS
        } else {
            stored.expires_at.saturating_sub(RENEW_AHEAD_MS - rand::random_range(0..JITTER_MS))
        };
        let refused = self.refused.take().filter(|_| !was_refused);
        *self = Self { token: Some(HeldToken { stored, renew_at, confirmed_until }), refused, failure: None };
    }
}

/// Whether a call may still use this token.
pub(super) fn lasts(stored: &StoredToken) -> bool {
    stored.expires_at > unix_now_ms() + MARGIN_MS
}
