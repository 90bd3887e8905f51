//! Calls that WeChat has refused in a way that lasts are not made until that is over: it answers no
//! sooner, and punishes those who keep asking.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use prometheus::IntGaugeVec;
use scenecast_shared::{scene::AccountName, time::next_china_day, wechat::Code};

use super::client::CallError;
use crate::clock::Clock;

/// Until a quota by the minute, or what somebody has to mend, is tried again.
const A_MINUTE: Duration = Duration::from_secs(60);
/// Until a right, or an administrator's consent, is asked for again.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// When a call that WeChat answered so may be made again; `None` if at once.
fn again_at(code: Code, now: SystemTime) -> Option<SystemTime> {
    match code {
        Code::MinuteQuota | Code::Credentials | Code::Address => Some(now + A_MINUTE),
        Code::DayQuota => Some(next_china_day(now)),
        Code::Forbidden | Code::AddressUnconfirmed => Some(now + AN_HOUR),
        Code::Busy
        | Code::StaleToken
        | Code::NoSuchPerson
        | Code::JsCodeInvalid
        | Code::JsCodeUsed
        | Code::PersonBlocked
        | Code::Mistake
        | Code::Other(_) => None,
    }
}

/// The calls of one account that are not made now. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Circuit(Arc<Inner>);

struct Inner {
    account: AccountName,
    clock: Clock,
    shown: IntGaugeVec,
    open: Mutex<BTreeMap<&'static str, Open>>,
}

/// Why a call is not made, and until when.
#[derive(Debug, Clone, Copy)]
struct Open {
    why: Code,
    until: SystemTime,
}

impl Circuit {
    /// `shown` is 1 by account, call and reason for as long as a call is not made.
    pub(crate) fn new(account: AccountName, clock: Clock, shown: IntGaugeVec) -> Self {
        Self(Arc::new(Inner { account, clock, shown, open: Mutex::default() }))
    }

    /// Whether this call may be made now.
    pub(crate) fn check(&self, call: &'static str) -> Result<(), CallError> {
        self.0.close_what_is_over();
        match self.0.open().get(call) {
            Some(Open { why, .. }) => Err(CallError::NotMade(*why)),
            None => Ok(()),
        }
    }

    /// Learns from a refusal of this call.
    pub(crate) fn learn(&self, call: &'static str, error: &CallError) {
        let Some(why) = error.code() else { return };
        let account = &self.0.account;
        if why == Code::Mistake {
            tracing::error!(%account, call, %error, "WeChat says that what was asked is wrong");
        }
        let now = self.0.clock.now();
        let Some(until) = again_at(why, now) else { return };
        let before = self.0.open().insert(call, Open { why, until });
        if let Some(before) = before {
            self.0.hide(call, before.why);
        }
        self.0.shown.with_label_values(&self.0.labels(call, why)).set(1);
        if before.is_some() {
            // Another call was under way, and has found out the same.
            return;
        }
        let pause = until.duration_since(now).unwrap_or_default();
        match why {
            Code::Credentials | Code::Address | Code::AddressUnconfirmed => tracing::error!(
                %account, call, %error, ?pause,
                "WeChat accepts no app id, secret or address of this account: its configuration has to be mended"
            ),
            _ => tracing::warn!(%account, call, %error, ?pause, "WeChat is not asked for a while"),
        }
        let this = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(this) = Weak::upgrade(&this) {
                this.close_what_is_over();
            }
        });
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, BTreeMap<&'static str, Open>> {
        // No code that holds the lock panics half-way through a change.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn labels<'a>(&'a self, call: &'a str, why: Code) -> [&'a str; 3] {
        [self.account.as_str(), call, why.word()]
    }

    fn close_what_is_over(&self) {
        let now = self.clock.now();
        self.open().retain(|call, Open { why, until }| {
            let lasts = *until > now;
            if !lasts {
                self.hide(call, *why);
                tracing::info!(account = %self.account, call, why = why.word(), "WeChat is asked again");
            }
            lasts
        });
    }

    fn hide(&self, call: &str, why: Code) {
        // It fails where there is nothing to hide.
        let _ = self.shown.remove_label_values(&self.labels(call, why));
    }
}

impl Drop for Inner {
    /// An account that is no more has nothing to show.
    fn drop(&mut self) {
        for (call, Open { why, .. }) in &*self.open() {
            self.hide(call, *why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use scenecast_shared::{telemetry::Metrics, wechat::ApiError};

    use super::*;

    const CALL: &str = "/cgi-bin/qrcode/create";

    fn circuit() -> (Circuit, Clock, Metrics) {
        let (clock, metrics) = (Clock::default(), Metrics::new());
        let shown = metrics.gauges("wechat_circuit_open", "Calls.", &["account", "call", "why"]);
        (Circuit::new("demo".parse().unwrap(), clock.clone(), shown), clock, metrics)
    }

    fn refusal(number: i64) -> CallError {
        ApiError::Refused { code: Code::from_number(number), number, message: String::new() }.into()
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
                assert_eq!(again_at(Code::from_number(*number), now), pause.map(|pause| now + pause), "{number}");
            }
        }
    }

    #[tokio::test]
    async fn a_refused_call_is_not_made_until_its_time_has_come_and_others_are() {
        let (circuit, clock, metrics) = circuit();
        assert_eq!(circuit.check(CALL), Ok(()));
        circuit.learn(CALL, &refusal(45009));
        circuit.learn(CALL, &refusal(45009));
        assert_eq!(circuit.check(CALL), Err(CallError::NotMade(Code::DayQuota)));
        assert_eq!(circuit.check("/cgi-bin/user/info"), Ok(()));
        let shown = format!("scenecast_wechat_circuit_open{{account=\"demo\",call=\"{CALL}\",why=\"day_quota\"}} 1");
        assert!(metrics.text().contains(&shown), "{}", metrics.text());
        clock.advance(Duration::from_secs(24 * 60 * 60));
        assert_eq!(circuit.check(CALL), Ok(()));
        assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
    }

    #[tokio::test]
    async fn what_does_not_last_stops_no_call() {
        let (circuit, ..) = circuit();
        for error in [refusal(-1), refusal(42001), refusal(47001), CallError::TooSlow] {
            circuit.learn(CALL, &error);
            assert_eq!(circuit.check(CALL), Ok(()), "{error}");
        }
    }

    #[tokio::test]
    async fn an_account_that_is_gone_shows_nothing() {
        let (circuit, _, metrics) = circuit();
        circuit.learn(CALL, &refusal(48001));
        drop(circuit);
        assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
    }
}
