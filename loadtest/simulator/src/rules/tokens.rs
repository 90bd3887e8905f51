//! The rules of one account's access tokens. No I/O; callers pass the time.
//!
//! Source: "Get access token" and "Get stable access token" of developers.weixin.qq.com.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{quota::Quota, refusal::ApiRefusal};

const LIFE: Duration = Duration::from_secs(7200);
/// How long a replaced token stays valid, and how long before its end a token is replaced.
const OVERLAP: Duration = Duration::from_secs(300);
const BETWEEN_FORCED: Duration = Duration::from_secs(30);

/// A token, as the API answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuedToken {
    pub(crate) token: String,
    /// The token's number among the account's tokens, from 1.
    pub(crate) generation: u64,
    pub(crate) life: Duration,
}

#[derive(Debug, Clone)]
struct LiveToken {
    token: String,
    generation: u64,
    until: Instant,
}

/// The newest token, and the one before it as long as it is valid. Older tokens are invalid.
#[derive(Debug, Default)]
struct TokenPair {
    current: Option<LiveToken>,
    previous: Option<LiveToken>,
}

impl TokenPair {
    fn renew(&mut self, generation: u64, now: Instant) -> IssuedToken {
        self.previous = self.current.take().map(|old| LiveToken { until: old.until.min(now + OVERLAP), ..old });
        let token = format!("97_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 100]>()));
        self.current = Some(LiveToken { token: token.clone(), generation, until: now + LIFE });
        IssuedToken { token, generation, life: LIFE }
    }

    fn reusable(&self, now: Instant) -> Option<IssuedToken> {
        let LiveToken { token, generation, until } = self.current.clone()?;
        let life = until.duration_since(now);
        (life > OVERLAP).then_some(IssuedToken { token, generation, life })
    }

    fn find(&self, token: &str) -> Option<&LiveToken> {
        [&self.current, &self.previous].into_iter().flatten().find(|live| live.token == token)
    }

    fn expire(&mut self, now: Instant) {
        for live in [&mut self.current, &mut self.previous].into_iter().flatten() {
            live.until = live.until.min(now);
        }
    }
}

/// The call that fetches a token.
#[derive(Debug, Clone, Copy)]
enum TokenCall {
    Plain,
    Stable,
}

/// The access tokens of one account. Those of `cgi-bin/token` and of `cgi-bin/stable_token` are independent, and the
/// API accepts both.
#[derive(Debug)]
pub(crate) struct AccessTokens {
    plain: TokenPair,
    plain_a_day: Quota,
    stable: TokenPair,
    stable_a_minute: Quota,
    stable_a_day: Quota,
    forced_a_day: Quota,
    last_forced: Option<Instant>,
    /// The number of every token that was ever issued.
    generations: HashMap<String, u64>,
}

impl AccessTokens {
    /// No tokens yet. `a_day` limits how many plain tokens may be fetched.
    pub(crate) fn new(a_day: u32) -> Self {
        Self {
            plain: TokenPair::default(),
            plain_a_day: Quota::a_day(a_day),
            stable: TokenPair::default(),
            stable_a_minute: Quota::a_minute(10_000),
            stable_a_day: Quota::a_day(500_000),
            forced_a_day: Quota::a_day(20),
            last_forced: None,
            generations: HashMap::new(),
        }
    }

    /// `cgi-bin/token` always answers a new token.
    pub(crate) fn plain(&mut self, now: Instant) -> Result<IssuedToken, ApiRefusal> {
        if !self.plain_a_day.take(now) {
            return Err(ApiRefusal::DAY_QUOTA);
        }
        Ok(self.renew(TokenCall::Plain, now))
    }

    /// `cgi-bin/stable_token` answers the same token until shortly before its end.
    pub(crate) fn stable(&mut self, now: Instant) -> Result<IssuedToken, ApiRefusal> {
        if !self.stable_a_minute.take(now) {
            return Err(ApiRefusal::MINUTE_QUOTA);
        }
        if !self.stable_a_day.take(now) {
            return Err(ApiRefusal::DAY_QUOTA);
        }
        Ok(self.stable.reusable(now).unwrap_or_else(|| self.renew(TokenCall::Stable, now)))
    }

    /// `cgi-bin/stable_token` with `force_refresh` answers a new token, at most every 30 s and 20 times a day. Sooner
    /// than 30 s it answers the same token again.
    pub(crate) fn forced(&mut self, now: Instant) -> Result<IssuedToken, ApiRefusal> {
        if self.last_forced.is_some_and(|last| now < last + BETWEEN_FORCED) {
            return self.stable(now);
        }
        if !self.forced_a_day.take(now) {
            return Err(ApiRefusal::DAY_QUOTA);
        }
        self.last_forced = Some(now);
        Ok(self.renew(TokenCall::Stable, now))
    }

    fn renew(&mut self, call: TokenCall, now: Instant) -> IssuedToken {
        let pair = match call {
            TokenCall::Plain => &mut self.plain,
            TokenCall::Stable => &mut self.stable,
        };
        let issued = pair.renew(self.generations.len() as u64 + 1, now);
        self.generations.insert(issued.token.clone(), issued.generation);
        issued
    }

    /// The number of this token, even if it is invalid by now; `None` if the account never had it.
    pub(crate) fn generation(&self, token: &str) -> Option<u64> {
        self.generations.get(token).copied()
    }

    /// Whether the API accepts this token of the account.
    pub(crate) fn check(&self, token: &str, now: Instant) -> Result<(), ApiRefusal> {
        let live = self.plain.find(token).or_else(|| self.stable.find(token)).ok_or(ApiRefusal::CREDENTIAL)?;
        if now < live.until { Ok(()) } else { Err(ApiRefusal::TOKEN_EXPIRED) }
    }

    /// Ends all tokens early, as WeChat has done.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.plain.expire(now);
        self.stable.expire(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: Result<(), ApiRefusal> = Ok(());
    const EXPIRED: Result<(), ApiRefusal> = Err(ApiRefusal::TOKEN_EXPIRED);
    const NOT_LATEST: Result<(), ApiRefusal> = Err(ApiRefusal::CREDENTIAL);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn tokens() -> (AccessTokens, Instant) {
        (AccessTokens::new(2000), Instant::now())
    }

    #[test]
    fn a_stable_token_stays_the_same_until_five_minutes_before_its_end() {
        let (mut tokens, start) = tokens();
        let first = tokens.stable(start).unwrap();
        assert_eq!(first.life, secs(7200));
        let later = tokens.stable(start + secs(6899)).unwrap();
        assert_eq!((later.token.clone(), later.life), (first.token.clone(), secs(301)));

        let renewed = start + secs(6900);
        let second = tokens.stable(renewed).unwrap();
        assert_ne!(second.token, first.token);
        assert_eq!(tokens.check(&first.token, renewed + secs(299)), VALID);
        assert_eq!(tokens.check(&first.token, renewed + secs(300)), EXPIRED);
        assert_eq!(tokens.check(&second.token, renewed + secs(300)), VALID);
    }

    #[test]
    fn a_plain_token_replaces_the_previous_one_which_stays_valid_for_five_minutes() {
        let (mut tokens, start) = tokens();
        let first = tokens.plain(start).unwrap().token;
        let second = tokens.plain(start + secs(10)).unwrap().token;
        assert_ne!(first, second);
        assert_eq!(tokens.check(&first, start + secs(309)), VALID);
        assert_eq!(tokens.check(&first, start + secs(310)), EXPIRED);
        let third = tokens.plain(start + secs(20)).unwrap().token;
        assert_eq!(tokens.check(&first, start + secs(20)), NOT_LATEST, "only two live at a time");
        assert_eq!([tokens.check(&second, start + secs(20)), tokens.check(&third, start + secs(20))], [VALID, VALID]);
    }

    #[test]
    fn plain_and_stable_tokens_do_not_disturb_each_other() {
        let (mut tokens, start) = tokens();
        let stable = tokens.stable(start).unwrap().token;
        for _ in 0..3 {
            tokens.plain(start).unwrap();
        }
        assert_eq!(tokens.stable(start).unwrap().token, stable);
        assert_eq!(tokens.check(&stable, start), VALID);
    }

    #[test]
    fn tokens_are_numbered_in_the_order_in_which_they_were_issued() {
        let (mut tokens, start) = tokens();
        let stable = tokens.stable(start).unwrap();
        let plain = tokens.plain(start).unwrap();
        let forced = tokens.forced(start + secs(30)).unwrap();
        assert_eq!([&stable, &plain, &forced].map(|issued| issued.generation), [1, 2, 3]);
        assert_eq!(tokens.stable(start + secs(40)).unwrap().generation, 3);
        tokens.forced(start + secs(60)).unwrap();
        assert_eq!(tokens.generation(&stable.token), Some(1), "even an invalid one");
        assert_eq!(tokens.generation("made-up"), None);
    }

    #[test]
    fn plain_tokens_have_a_daily_quota() {
        let mut tokens = AccessTokens::new(1);
        let start = Instant::now();
        tokens.plain(start).unwrap();
        assert_eq!(tokens.plain(start), Err(ApiRefusal::DAY_QUOTA));
        assert!(tokens.plain(start + secs(86_400)).is_ok());
    }

    #[test]
    fn a_forced_refresh_works_every_30_seconds_and_the_second_invalidates_the_old_token() {
        let (mut tokens, start) = tokens();
        let old = tokens.stable(start).unwrap().token;
        let first = tokens.forced(start).unwrap().token;
        assert_eq!(tokens.check(&old, start), VALID);
        assert_eq!(tokens.forced(start + secs(29)).unwrap().token, first, "too soon: not refreshed");
        assert_ne!(tokens.forced(start + secs(30)).unwrap().token, first);
        assert_eq!(tokens.check(&old, start + secs(30)), NOT_LATEST);
    }

    #[test]
    fn twenty_forced_refreshes_are_allowed_a_day() {
        let (mut tokens, start) = tokens();
        for n in 0..20 {
            tokens.forced(start + secs(30 * n)).unwrap();
        }
        assert_eq!(tokens.forced(start + secs(600)), Err(ApiRefusal::DAY_QUOTA));
        assert!(tokens.stable(start + secs(600)).is_ok());
    }

    #[test]
    fn expired_tokens_are_replaced_by_the_next_call() {
        let (mut tokens, start) = tokens();
        let [plain, stable] = [tokens.plain(start).unwrap().token, tokens.stable(start).unwrap().token];
        tokens.expire(start);
        assert_eq!([tokens.check(&plain, start), tokens.check(&stable, start)], [EXPIRED, EXPIRED]);
        let renewed = tokens.stable(start).unwrap().token;
        assert_eq!(tokens.check(&renewed, start), VALID);
    }
}
