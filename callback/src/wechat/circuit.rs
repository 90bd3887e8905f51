//! Calls that are not made for a while. Either WeChat's refusal will last: asking again would not help, and WeChat
//! punishes clients that keep asking. Or WeChat gives no answers: each page would wait for nothing.
//!
//! | WeChat's refusal | the call is made again |
//! |---|---|
//! | busy | at once |
//! | anything that isn't below, also a code that we don't know | after a minute |
//! | no right, a restricted account, a missing consent of an administrator; the quota of the day | after an hour |
//!
//! A call about one person is made for the next person at once, unless the refusal is surely about the account.
//!
//! A call is unanswered if WeChat is away, too slow or busy, or if something else answers. One or two of these in a row
//! are a hiccup. From the third on there is a pause of seconds:
//!
//! ```text
//! made ──three in a row unanswered──▶ paused ──2 s──▶ one call is tried ──answered──▶ made
//!                                       ▲                     │
//!                                       └──twice as long──unanswered
//! ```
//!
//! A day's quota can come back before midnight: WeChat raises it, or its owner clears it. So it is tried every hour.
//! Each pod learns of a refusal by itself, and forgets it when it restarts or the account's settings change.
//!
//! See docs/decisions/028-wechat-is-not-asked-what-it-has-refused.md and
//! docs/decisions/070-any-refusal-of-wechat-pauses-its-own-call.md and
//! docs/decisions/083-a-wechat-that-gives-no-answer-is-left-alone-for-seconds.md.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::{Mutex, MutexGuard};
use prometheus::IntGaugeVec;
use scenecast_scene::AccountName;
use scenecast_wechat::ErrorCode;

use super::{
    client::{CallError, CallSubject},
    pause::{PauseReason, UnansweredCalls},
};
use crate::clock::Clock;

/// For what may pass soon, what an operator has to fix, and what we don't know.
const A_MINUTE: Duration = Duration::from_secs(60);
/// For what lasts, and for which WeChat punishes those who keep asking.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);
/// How long others wait for the call that is tried after a pause, unless its answer comes sooner. It is longer than a call
/// may take.
const TRIAL: Duration = Duration::from_secs(5);

/// How long a call is not made after WeChat refused it with this code; `None` if it may be made at once.
fn pause(code: ErrorCode, subject: CallSubject) -> Option<Duration> {
    match code {
        ErrorCode::Busy => None,
        ErrorCode::Forbidden | ErrorCode::AddressUnconfirmed | ErrorCode::DayQuota => Some(AN_HOUR),
        ErrorCode::Credentials | ErrorCode::Address | ErrorCode::StaleToken => Some(A_MINUTE),
        // The others can be about this person only, and anybody could stop the call for everybody.
        _ if subject == CallSubject::Person => None,
        ErrorCode::Restricted => Some(AN_HOUR),
        _ => Some(A_MINUTE),
    }
}

/// The calls of one account that are not made now. Clones share them.
#[derive(Clone)]
pub(crate) struct Circuit(Arc<CircuitState>);

struct CircuitState {
    account: AccountName,
    clock: Clock,
    gauge: IntGaugeVec,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    paused: BTreeMap<&'static str, Pause>,
    unanswered: BTreeMap<&'static str, UnansweredCalls>,
    /// How many calls have begun.
    begun: u64,
    /// For each call, which ones began before its last pause or answer. That those get no answer says nothing new.
    old: BTreeMap<&'static str, u64>,
}

/// A call that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "its answer has to be recorded"]
pub(crate) struct BegunCall {
    path: &'static str,
    /// How many had begun by then, with this one.
    number: u64,
}

/// Why a call is not made, and until when.
#[derive(Debug, Clone, Copy)]
struct Pause {
    why: PauseReason,
    until: SystemTime,
}

impl Circuit {
    /// `gauge` is 1 by account, call and reason for as long as a call is not made.
    pub(crate) fn new(account: AccountName, clock: Clock, gauge: IntGaugeVec) -> Self {
        Self(Arc::new(CircuitState { account, clock, gauge, calls: Mutex::default() }))
    }

    /// Whether this call would be made now.
    pub(crate) fn check(&self, call: &'static str) -> Result<(), CallError> {
        not_paused(&self.0.calls_now(), call)
    }

    /// Whether this call may be made now. If so, its caller makes it, and records its answer.
    pub(crate) fn begin(&self, call: &'static str) -> Result<BegunCall, CallError> {
        let mut calls = self.0.calls_now();
        not_paused(&calls, call)?;
        let begun = calls.begin(call);
        if calls.unanswered.get(call).is_some_and(|unanswered| unanswered.pause().is_some()) {
            self.pause(&mut calls, call, PauseReason::Unanswered, TRIAL);
        }
        Ok(begun)
    }

    /// Learns from the answer to this call whether it is paused now. Gives the answer, but where a pause began because
    /// WeChat gives none: then the caller learns of the pause.
    pub(crate) fn record<T>(
        &self,
        call: BegunCall,
        subject: CallSubject,
        answer: Result<T, CallError>,
    ) -> Result<T, CallError> {
        match answer {
            Err(error) if error.is_unanswered(subject) => Err(self.record_unanswered(call, error)),
            Err(error) => {
                if error.code().is_some() {
                    self.record_answered(call.path);
                }
                self.record_refusal(call.path, subject, &error);
                Err(error)
            }
            Ok(answer) => {
                self.record_answered(call.path);
                Ok(answer)
            }
        }
    }

    /// Ends the pause of this call: what it is made for was got in another way.
    pub(crate) fn end(&self, call: &'static str) {
        let mut calls = self.0.calls.lock();
        calls.unanswered.remove(call);
        if let Some(pause) = calls.paused.remove(call) {
            self.0.hide(call, pause.why);
            tracing::info!(
                account = %self.0.account, call, why = pause.why.label(),
                "the pause of this call ends early, because another pod has got what it is for"
            );
        }
    }

    fn record_answered(&self, call: &'static str) {
        let mut calls = self.0.calls.lock();
        calls.make_old(call);
        let before = calls.unanswered.remove(call).unwrap_or_default();
        if before.pause().is_none() {
            return;
        }
        if calls.paused.get(call).is_some_and(|pause| pause.why == PauseReason::Unanswered) {
            calls.paused.remove(call);
            self.0.hide(call, PauseReason::Unanswered);
        }
        tracing::info!(account = %self.0.account, call, "WeChat answers this call again");
    }

    fn record_unanswered(&self, begun: BegunCall, error: CallError) -> CallError {
        let call = begun.path;
        let mut calls = self.0.calls_now();
        if calls.is_old(begun) {
            return not_paused(&calls, call).err().unwrap_or(error);
        }
        let unanswered = calls.unanswered.entry(call).or_default();
        unanswered.count();
        let Some(pause) = unanswered.pause() else { return error };
        self.pause(&mut calls, call, PauseReason::Unanswered, pause);
        calls.make_old(call);
        tracing::warn!(
            account = %self.0.account, call, %error, ?pause,
            "WeChat gives no answer to this call; it is not made again before `pause` is over, and then one call is tried"
        );
        CallError::NotMade(PauseReason::Unanswered)
    }

    fn record_refusal(&self, call: &'static str, subject: CallSubject, error: &CallError) {
        let Some(why) = error.code() else { return };
        let account = &self.0.account;
        if why == ErrorCode::Mistake {
            tracing::error!(%account, call, %error, "WeChat says that our call is wrong; please report this as a bug");
        }
        let Some(pause) = pause(why, subject) else { return };
        let mut calls = self.0.calls_now();
        let is_paused = calls.paused.contains_key(call);
        self.pause(&mut calls, call, PauseReason::Refused(why), pause);
        if !is_paused {
            // Otherwise another call was in flight, and its refusal was logged already.
            log_refusal(account, call, error, why, pause);
        }
    }

    fn pause(&self, calls: &mut Calls, call: &'static str, why: PauseReason, pause: Duration) {
        if let Some(before) = calls.paused.remove(call) {
            self.0.hide(call, before.why);
        }
        self.0.gauge.with_label_values(&self.0.labels(call, why)).set(1);
        let this = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(this) = this.upgrade() {
                drop(this.calls_now());
            }
        });
        let until = self.0.clock.now() + pause;
        calls.paused.insert(call, Pause { why, until });
    }
}

impl Calls {
    fn begin(&mut self, path: &'static str) -> BegunCall {
        self.begun += 1;
        BegunCall { path, number: self.begun }
    }

    fn make_old(&mut self, path: &'static str) {
        self.old.insert(path, self.begun);
    }

    fn is_old(&self, call: BegunCall) -> bool {
        self.old.get(call.path).is_some_and(|old| call.number <= *old)
    }
}

fn not_paused(calls: &Calls, call: &str) -> Result<(), CallError> {
    calls.paused.get(call).map_or(Ok(()), |pause| Err(CallError::NotMade(pause.why)))
}

fn log_refusal(account: &AccountName, call: &str, error: &CallError, why: ErrorCode, pause: Duration) {
    match why {
        ErrorCode::Credentials | ErrorCode::Address | ErrorCode::AddressUnconfirmed => tracing::error!(
            %account, call, %error, ?pause,
            "WeChat does not accept this account's app id, secret or our address: \
             fix the configuration, here or at WeChat"
        ),
        ErrorCode::Restricted => tracing::error!(
            %account, call, %error, ?pause,
            "WeChat has restricted this account: its owner finds the reason in WeChat's console"
        ),
        ErrorCode::StaleToken => tracing::error!(
            %account, call, %error, ?pause,
            "WeChat refuses even a new access token; does other software fetch tokens for this account? If this \
             repeats, reset the account's secret"
        ),
        _ => tracing::warn!(
            %account, call, %error, ?pause,
            "WeChat refuses this call; it is not made again before `pause` is over"
        ),
    }
}

impl CircuitState {
    /// The calls, without the pauses that are over.
    fn calls_now(&self) -> MutexGuard<'_, Calls> {
        let now = self.clock.now();
        let mut calls = self.calls.lock();
        calls.paused.retain(|call, pause| {
            let lasts = pause.until > now;
            if !lasts {
                self.hide(call, pause.why);
                self.log_over(call, pause.why);
            }
            lasts
        });
        calls
    }

    /// That WeChat answers again is only known when it does.
    fn log_over(&self, call: &str, why: PauseReason) {
        if let PauseReason::Refused(why) = why {
            tracing::info!(
                account = %self.account, call, why = why.label(),
                "the pause after WeChat's refusal is over; this call may be made again"
            );
        }
    }

    fn labels<'a>(&'a self, call: &'a str, why: PauseReason) -> [&'a str; 3] {
        [self.account.as_str(), call, why.label()]
    }

    fn hide(&self, call: &str, why: PauseReason) {
        // An error means that the gauge didn't show it.
        let _ = self.gauge.remove_label_values(&self.labels(call, why));
    }
}

impl Drop for CircuitState {
    /// An account that was removed shows nothing.
    fn drop(&mut self) {
        for (call, Pause { why, .. }) in &self.calls.lock().paused {
            self.hide(call, *why);
        }
    }
}

#[cfg(test)]
#[path = "circuit_tests.rs"]
mod tests;
