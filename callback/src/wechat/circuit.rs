//! Calls that are not made for a while, because WeChat's refusal will last: asking again would not help, and WeChat
//! punishes clients that keep asking.
//!
//! | WeChat's refusal | the call is made again |
//! |---|---|
//! | busy, a stale token, a mistake in the call, a person's own | at once |
//! | the quota by the minute; wrong app id, secret or address | after a minute |
//! | no right, or an administrator's consent is missing | after an hour |
//! | the quota of the day | at midnight in China |
//!
//! See docs/decisions/028-wechat-is-not-asked-what-it-has-refused.md.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use prometheus::IntGaugeVec;
use scenecast_scene::AccountName;
use scenecast_wechat::ErrorCode;

use super::client::CallError;
use crate::clock::{Clock, next_china_day};

/// For a quota by the minute, and for what an operator has to fix.
const A_MINUTE: Duration = Duration::from_secs(60);
/// For a right that the account lacks, and for an administrator's consent.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// When a call that WeChat refused with this code may be made again; `None` if at once.
fn retry_at(code: ErrorCode, now: SystemTime) -> Option<SystemTime> {
    match code {
        ErrorCode::MinuteQuota | ErrorCode::Credentials | ErrorCode::Address => Some(now + A_MINUTE),
        ErrorCode::DayQuota => Some(next_china_day(now)),
        ErrorCode::Forbidden | ErrorCode::AddressUnconfirmed => Some(now + AN_HOUR),
        ErrorCode::Busy
        | ErrorCode::StaleToken
        | ErrorCode::NoSuchPerson
        | ErrorCode::JsCodeInvalid
        | ErrorCode::JsCodeUsed
        | ErrorCode::PersonBlocked
        | ErrorCode::Mistake
        | ErrorCode::Other(_) => None,
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
    pub(crate) fn record(&self, call: &'static str, error: &CallError) {
        let Some(why) = error.code() else { return };
        let account = &self.0.account;
        if why == ErrorCode::Mistake {
            tracing::error!(%account, call, %error, "WeChat says that our call is wrong; please report this as a bug");
        }
        let now = self.0.clock.now();
        let Some(until) = retry_at(why, now) else { return };
        let before = self.0.open.lock().insert(call, OpenCircuit { why, until });
        if let Some(before) = before {
            self.0.hide(call, before.why);
        }
        self.0.gauge.with_label_values(&self.0.labels(call, why)).set(1);
        if before.is_some() {
            // Another call was in flight, and its refusal was logged already.
            return;
        }
        let pause = until.duration_since(now).unwrap_or_default();
        match why {
            ErrorCode::Credentials | ErrorCode::Address | ErrorCode::AddressUnconfirmed => tracing::error!(
                %account, call, %error, ?pause,
                "WeChat does not accept this account's app id, secret or our address: \
                 fix the configuration, here or at WeChat"
            ),
            _ => {
                tracing::warn!(
                    %account, call, %error, ?pause,
                    "WeChat refuses this call; it is not made again before `pause` is over"
                );
            }
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
    use std::time::UNIX_EPOCH;

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
        // 2026-11-20T16:00:00Z is midnight in China.
        let midnight = UNIX_EPOCH + Duration::from_secs(1_795_190_400);
        let now = midnight - Duration::from_secs(90);
        for (numbers, pause) in [
            (&[-1, 40001, 40014, 41001, 42001][..], None),
            (&[40003, 43004, 46004, 40029, 40163, 40226], None),
            (&[47001, 40053, 41030, 40129, 40169, 40097, 45029, 40159, 12345], None),
            (&[45009], Some(Duration::from_secs(90))),
            (&[45011, 40013, 40125, 40243, 41002, 41004, 40164], Some(A_MINUTE)),
            (&[89503, 48001, 48004, 50001], Some(AN_HOUR)),
        ] {
            for number in numbers {
                assert_eq!(retry_at(ErrorCode::from_number(*number), now), pause.map(|pause| now + pause), "{number}");
            }
        }
    }

    #[tokio::test]
    async fn a_refused_call_is_not_made_until_its_pause_is_over_and_other_calls_are() {
        let (circuit, clock, metrics) = circuit();
        assert_eq!(circuit.check(CALL), Ok(()));
        circuit.record(CALL, &refusal(45009));
        circuit.record(CALL, &refusal(45009));
        assert_eq!(circuit.check(CALL), Err(CallError::NotMade(ErrorCode::DayQuota)));
        assert_eq!(circuit.check("/cgi-bin/user/info"), Ok(()));
        let shown = format!("scenecast_wechat_circuit_open{{account=\"demo\",call=\"{CALL}\",why=\"day_quota\"}} 1");
        assert!(metrics.text().contains(&shown), "{}", metrics.text());
        clock.advance(Duration::from_secs(24 * 60 * 60));
        assert_eq!(circuit.check(CALL), Ok(()));
        assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
    }

    #[tokio::test]
    async fn a_refusal_that_does_not_last_stops_no_call() {
        let (circuit, ..) = circuit();
        for error in [refusal(-1), refusal(42001), refusal(47001), CallError::TooSlow] {
            circuit.record(CALL, &error);
            assert_eq!(circuit.check(CALL), Ok(()), "{error}");
        }
    }

    #[tokio::test]
    async fn an_account_that_was_removed_shows_nothing() {
        let (circuit, _, metrics) = circuit();
        circuit.record(CALL, &refusal(48001));
        drop(circuit);
        assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
    }
}
