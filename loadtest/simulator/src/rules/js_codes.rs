//! The codes that `wx.login` gives to a mini program, and `jscode2session` takes.
//!
//! Source: "code2Session" of developers.weixin.qq.com.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{quota::Quota, refusal::ApiRefusal};
use crate::users::WeChatUser;

const LIFE: Duration = Duration::from_secs(300);

/// The login codes of one mini program.
#[derive(Debug)]
pub(crate) struct LoginCodes {
    codes: HashMap<String, LoginCode>,
    quotas: HashMap<WeChatUser, Quota>,
    a_minute: u32,
    sweep_at: usize,
}

#[derive(Debug)]
struct LoginCode {
    person: WeChatUser,
    until: Instant,
    used: bool,
}

impl LoginCodes {
    /// No codes yet. `a_minute` limits how many logins of one person are accepted in a minute.
    pub(crate) fn new(a_minute: u32) -> Self {
        Self { codes: HashMap::new(), quotas: HashMap::new(), a_minute, sweep_at: 0 }
    }

    /// Issues a code for this person.
    pub(crate) fn issue(&mut self, person: WeChatUser, now: Instant) -> String {
        self.sweep(now);
        let code = format!("0{}", &URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())[..31]);
        self.codes.insert(code.clone(), LoginCode { person, until: now + LIFE, used: false });
        code
    }

    /// Uses up a code. Answers whose it is.
    pub(crate) fn take(&mut self, code: &str, now: Instant) -> Result<WeChatUser, ApiRefusal> {
        let code = self.codes.get_mut(code).filter(|code| now < code.until).ok_or(ApiRefusal::JS_CODE)?;
        if code.used {
            return Err(ApiRefusal::JS_CODE_USED);
        }
        let quota = self.quotas.entry(code.person.clone()).or_insert_with(|| Quota::a_minute(self.a_minute));
        if !quota.take(now) {
            return Err(ApiRefusal::MINUTE_QUOTA);
        }
        code.used = true;
        Ok(code.person.clone())
    }

    /// Removes old codes each time the number of codes has doubled, so that issuing a code stays cheap.
    fn sweep(&mut self, now: Instant) {
        if self.codes.len() < self.sweep_at {
            return;
        }
        self.codes.retain(|_, code| now < code.until);
        // A code lives longer than a minute, so the quota of a person without a code is unused again.
        let left: std::collections::HashSet<_> = self.codes.values().map(|code| &code.person).collect();
        self.quotas.retain(|person, _| left.contains(person));
        self.sweep_at = (self.codes.len() * 2).max(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_valid_once_and_for_five_minutes() {
        let mut codes = LoginCodes::new(100);
        let now = Instant::now();
        let ann = WeChatUser::nth(1);
        let code = codes.issue(ann.clone(), now);
        assert_eq!(code.len(), 32);
        assert_eq!(codes.take(&code, now), Ok(ann.clone()));
        assert_eq!(codes.take(&code, now), Err(ApiRefusal::JS_CODE_USED));
        let late = codes.issue(ann.clone(), now);
        assert_eq!(codes.take(&late, now + LIFE), Err(ApiRefusal::JS_CODE));
        assert_eq!(codes.take(&late, now + LIFE.saturating_sub(Duration::from_secs(1))), Ok(ann));
        assert_eq!(codes.take("made-up", now), Err(ApiRefusal::JS_CODE));
    }

    #[test]
    fn each_person_has_a_quota_a_minute_and_a_refused_login_uses_up_no_code() {
        let mut codes = LoginCodes::new(1);
        let now = Instant::now();
        let mut log_in = |person: u64, at| {
            let code = codes.issue(WeChatUser::nth(person), at);
            (codes.take(&code, at).map(|_| ()), code)
        };
        assert_eq!(log_in(1, now).0, Ok(()));
        let (refused, code) = log_in(1, now);
        assert_eq!(refused, Err(ApiRefusal::MINUTE_QUOTA));
        assert_eq!(log_in(2, now).0, Ok(()));
        assert!(codes.take(&code, now + Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn old_codes_do_not_pile_up() {
        let mut codes = LoginCodes::new(100);
        let start = Instant::now();
        for n in 0..10_000 {
            let at = start + Duration::from_secs(n);
            let code = codes.issue(WeChatUser::nth(n), at);
            codes.take(&code, at).unwrap();
        }
        assert!(codes.codes.len() <= 2048 && codes.quotas.len() <= 2048, "{}", codes.codes.len());
    }
}
