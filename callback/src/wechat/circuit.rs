//! Calls that are not made for a while, because WeChat's refusal will last: asking again would not help, and WeChat
//! punishes clients that keep asking.
//!
//! | WeChat's refusal | the call is made again |
//! |---|---|
//! | busy | at once |
//! | anything that isn't below, also a code that we don't know | after a minute |
//! | no right, a restricted account, a missing consent of an administrator; the quota of the day | after an hour |
//!
//! A call about one person is made for the next person at once, unless the refusal is surely about the account.
//!
//! A day's quota can come back before midnight: WeChat raises it, or its owner clears it. So it is tried every hour.
//! Each pod learns of a refusal by itself, and forgets it when it restarts or the account's settings change.
//!
//! See docs/decisions/028-wechat-is-not-asked-what-it-has-refused.md and
//! docs/decisions/070-any-refusal-of-wechat-pauses-its-own-call.md.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use prometheus::IntGaugeVec;
use scenecast_scene::AccountName;
use scenecast_wechat::ErrorCode;

use super::client::{CallError, CallSubject};
use crate::clock::Clock;

/// For what may pass soon, what an operator has to fix, and what we don't know.
const A_MINUTE: Duration = Duration::from_secs(60);
/// For what lasts, and for which WeChat punishes those who keep asking.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

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
    open: Mutex<BTreeMap<&'static str, OpenCircuit>>,
}

/// Why a call is not made, and until when.
#[derive(Debug, Clone, Copy)]
struct OpenCircuit {
    why: ErrorCode,
    until: SystemTime,
}

impl Circuit {
    /// `gauge` is 1 by account, call and reason for as long as a call is not made.
    pub(crate) fn new(account: AccountName, clock: Clock, gauge: IntGaugeVec) -> Self {
        Self(Arc::new(CircuitState { account, clock, gauge, open: Mutex::default() }))
    }

    /// Whether this call may be made now.
    pub(crate) fn check(&self, call: &'static str) -> Result<(), CallError> {
        self.0.close_expired();
        match self.0.open.lock().get(call) {
            Some(OpenCircuit { why, .. }) => Err(CallError::NotMade(*why)),
            None => Ok(()),
        }
    }

    /// Opens the circuit of this call, if the error is a refusal that will last.
    pub(crate) fn record(&self, call: &'static str, subject: CallSubject, error: &CallError) {
        let Some(why) = error.code() else { return };
        let account = &self.0.account;
        if why == ErrorCode::Mistake {
            tracing::error!(%account, call, %error, "WeChat says that our call is wrong; please report this as a bug");
        }
        let Some(pause) = pause(why, subject) else { return };
        let until = self.0.clock.now() + pause;
        let before = self.0.open.lock().insert(call, OpenCircuit { why, until });
        if let Some(before) = before {
            self.0.hide(call, before.why);
        }
        self.0.gauge.with_label_values(&self.0.labels(call, why)).set(1);
        if before.is_some() {
            // Another call was in flight, and its refusal was logged already.
            return;
        }
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
        let this = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(this) = Weak::upgrade(&this) {
                this.close_expired();
            }
        });
    }
}

impl CircuitState {
    fn labels<'a>(&'a self, call: &'a str, why: ErrorCode) -> [&'a str; 3] {
        [self.account.as_str(), call, why.label()]
    }

    fn close_expired(&self) {
        let now = self.clock.now();
        let mut open = self.open.lock();
        let is_over = |circuit: &OpenCircuit| circuit.until <= now;
        let over: Vec<_> =
            open.iter().filter(|(_, circuit)| is_over(circuit)).map(|(call, circuit)| (*call, circuit.why)).collect();
        for (call, why) in over {
            open.remove(call);
            self.hide(call, why);
            tracing::info!(
                account = %self.account, call, why = why.label(),
                "the pause after WeChat's refusal is over; this call may be made again"
            );
        }
    }

    fn hide(&self, call: &str, why: ErrorCode) {
        // An error means that the gauge didn't show it.
        let _ = self.gauge.remove_label_values(&self.labels(call, why));
    }
}

impl Drop for CircuitState {
    /// An account that was removed shows nothing.
    fn drop(&mut self) {
        for (call, OpenCircuit { why, .. }) in &*self.open.lock() {
            self.hide(call, *why);
        }
    }
}

#[cfg(test)]
mod tests {
    use scenecast_metrics::Metrics;
    use scenecast_wechat::ApiError;

    use super::*;

    const CALL: &str = "/cgi-bin/qrcode/create";

    fn circuit() -> (Circuit, Clock, Metrics) {
        let (clock, metrics) = (Clock::default(), Metrics::new());
        let gauge = metrics.gauge_vec("wechat_circuit_open", "Calls.", &["account", "call", "why"]);
        (Circuit::new("demo".parse().unwrap(), clock.clone(), gauge), clock, metrics)
    }

    fn refusal(number: i64) -> CallError {
        ApiError::Refused { code: ErrorCode::from_number(number), number, message: String::new() }.into()
    }

    #[test]
    fn each_code_has_its_pause() {
        for (numbers, of_account, of_person) in [
            (&[-1][..], None, None),
            (&[40003, 43004, 46004, 40029, 40163, 40226, 45011, 12345, 99999], Some(A_MINUTE), None),
            (&[47001, 40053, 41030, 40129, 40169, 40097, 45029, 40159], Some(A_MINUTE), None),
            (&[40001, 40014, 41001, 42001], Some(A_MINUTE), Some(A_MINUTE)),
            (&[40013, 40125, 40243, 41002, 41004, 40164, 45035, 61004], Some(A_MINUTE), Some(A_MINUTE)),
            (&[50002, 50007], Some(AN_HOUR), None),
            (&[45009, 89503, 48001, 48004, 50001, 61007], Some(AN_HOUR), Some(AN_HOUR)),
        ] {
            for number in numbers {
                let code = ErrorCode::from_number(*number);
                assert_eq!(pause(code, CallSubject::Account), of_account, "{number}");
                assert_eq!(pause(code, CallSubject::Person), of_person, "{number}");
            }
        }
    }

    #[tokio::test]
    async fn a_refused_call_is_not_made_until_its_pause_is_over_and_other_calls_are() {
        let (circuit, clock, metrics) = circuit();
        assert_eq!(circuit.check(CALL), Ok(()));
        circuit.record(CALL, CallSubject::Account, &refusal(45009));
        circuit.record(CALL, CallSubject::Account, &refusal(45009));
        assert_eq!(circuit.check(CALL), Err(CallError::NotMade(ErrorCode::DayQuota)));
        assert_eq!(circuit.check("/cgi-bin/user/info"), Ok(()));
        let shown = format!("scenecast_wechat_circuit_open{{account=\"demo\",call=\"{CALL}\",why=\"day_quota\"}} 1");
        assert!(metrics.text().contains(&shown), "{}", metrics.text());
        clock.advance(AN_HOUR);
        assert_eq!(circuit.check(CALL), Ok(()));
        assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
    }

    #[tokio::test]
    async fn a_refusal_that_does_not_last_stops_no_call() {
        let (circuit, ..) = circuit();
        for error in [refusal(-1), CallError::TooSlow, CallError::NoOtherToken] {
            circuit.record(CALL, CallSubject::Account, &error);
            assert_eq!(circuit.check(CALL), Ok(()), "{error}");
        }
    }

    #[tokio::test]
    async fn an_account_that_was_removed_shows_nothing() {
        let (circuit, _, metrics) = circuit();
        circuit.record(CALL, CallSubject::Account, &refusal(48001));
        drop(circuit);
        assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
    }
}
