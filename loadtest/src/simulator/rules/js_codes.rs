//! The codes that `wx.login` gives to a mini program, and `jscode2session` takes.
//!
//! Facts: "code2Session" of developers.weixin.qq.com.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{quota::Quota, refusal::Refusal};
use crate::simulator::Person;

const LIFE: Duration = Duration::from_secs(300);

/// One mini program's codes.
#[derive(Debug)]
pub(crate) struct JsCodes {
    codes: HashMap<String, JsCode>,
    asked: HashMap<Person, Quota>,
    a_minute: u32,
    sweep_at: usize,
}

#[derive(Debug)]
struct JsCode {
    person: Person,
    until: Instant,
    used: bool,
}

impl JsCodes {
    /// None yet; so many may be taken in a minute of one person.
    pub(crate) fn new(a_minute: u32) -> Self {
        Self { codes: HashMap::new(), asked: HashMap::new(), a_minute, sweep_at: 0 }
    }

    /// A new code of this person.
    pub(crate) fn issue(&mut self, person: Person, now: Instant) -> String {
        self.sweep(now);
        let code = format!("0{}", &URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())[..31]);
        self.codes.insert(code.clone(), JsCode { person, until: now + LIFE, used: false });
        code
    }

    /// Whose code it is; it is used up by that.
    pub(crate) fn take(&mut self, code: &str, now: Instant) -> Result<Person, Refusal> {
        let code = self.codes.get_mut(code).filter(|code| now < code.until).ok_or(Refusal::JS_CODE)?;
        if code.used {
            return Err(Refusal::JS_CODE_USED);
        }
        let asked = self.asked.entry(code.person.clone()).or_insert_with(|| Quota::a_minute(self.a_minute));
        if !asked.take(now) {
            return Err(Refusal::MINUTE_QUOTA);
        }
        code.used = true;
        Ok(code.person.clone())
    }

    /// Forgets old codes whenever their number has doubled, so that each costs little.
    fn sweep(&mut self, now: Instant) {
        if self.codes.len() < self.sweep_at {
            return;
        }
        self.codes.retain(|_, code| now < code.until);
        // Who has no code has had none for longer than a minute.
        let left: std::collections::HashSet<_> = self.codes.values().map(|code| &code.person).collect();
        self.asked.retain(|person, _| left.contains(person));
        self.sweep_at = (self.codes.len() * 2).max(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_for_five_minutes() {
        let (mut codes, now, ann) = (JsCodes::new(100), Instant::now(), Person::nth(1));
        let code = codes.issue(ann.clone(), now);
        assert_eq!(code.len(), 32);
        assert_eq!(codes.take(&code, now), Ok(ann.clone()));
        assert_eq!(codes.take(&code, now), Err(Refusal::JS_CODE_USED));
        let late = codes.issue(ann.clone(), now);
        assert_eq!(codes.take(&late, now + LIFE), Err(Refusal::JS_CODE));
        assert_eq!(codes.take(&late, now + LIFE.saturating_sub(Duration::from_secs(1))), Ok(ann));
        assert_eq!(codes.take("made-up", now), Err(Refusal::JS_CODE));
    }

    #[test]
    fn one_person_has_a_quota_a_minute_which_is_nobody_elses_and_uses_up_no_code() {
        let (mut codes, now) = (JsCodes::new(1), Instant::now());
        let mut log_in = |person: u64, at| {
            let code = codes.issue(Person::nth(person), at);
            (codes.take(&code, at).map(|_| ()), code)
        };
        assert_eq!(log_in(1, now).0, Ok(()));
        let (refused, code) = log_in(1, now);
        assert_eq!(refused, Err(Refusal::MINUTE_QUOTA));
        assert_eq!(log_in(2, now).0, Ok(()));
        assert!(codes.take(&code, now + Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn old_codes_do_not_pile_up() {
        let (mut codes, start) = (JsCodes::new(100), Instant::now());
        for n in 0..10_000 {
            let at = start + Duration::from_secs(n);
            let code = codes.issue(Person::nth(n), at);
            codes.take(&code, at).unwrap();
        }
        assert!(codes.codes.len() <= 2048 && codes.asked.len() <= 2048, "{}", codes.codes.len());
    }
}
