//! The rules of one account's access tokens; no I/O, the time is given.
//!
//! Facts: "Get access token" and "Get stable access token" of developers.weixin.qq.com.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{quota::Quota, refusal::Refusal};

const LIFE: Duration = Duration::from_secs(7200);
/// How long a replaced token may still be used, and how long before its end one is replaced.
const OVERLAP: Duration = Duration::from_secs(300);
const BETWEEN_FORCED: Duration = Duration::from_secs(30);

/// What is answered: a token, and how long it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) token: String,
    /// Which of the account's tokens it is, from 1.
    pub(crate) generation: u64,
    pub(crate) life: Duration,
}

#[derive(Debug, Clone)]
struct Live {
    token: String,
    generation: u64,
    until: Instant,
}

/// The newest token, and the one before it while it lasts. Older ones are dead.
#[derive(Debug, Default)]
struct Line {
    current: Option<Live>,
    previous: Option<Live>,
}

impl Line {
    fn renew(&mut self, generation: u64, now: Instant) -> Issued {
        self.previous = self.current.take().map(|old| Live { until: old.until.min(now + OVERLAP), ..old });
        let token = format!("97_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 100]>()));
        self.current = Some(Live { token: token.clone(), generation, until: now + LIFE });
        Issued { token, generation, life: LIFE }
    }

    fn lasting(&self, now: Instant) -> Option<Issued> {
        let Live { token, generation, until } = self.current.clone()?;
        let life = until.duration_since(now);
        (life > OVERLAP).then_some(Issued { token, generation, life })
    }

    fn find(&self, token: &str) -> Option<&Live> {
        [&self.current, &self.previous].into_iter().flatten().find(|live| live.token == token)
    }

    fn expire(&mut self, now: Instant) {
        for live in [&mut self.current, &mut self.previous].into_iter().flatten() {
            live.until = live.until.min(now);
        }
    }
}

/// Which call a token is fetched by.
#[derive(Debug, Clone, Copy)]
enum Call {
    Plain,
    Stable,
}

/// One account's access tokens: `cgi-bin/token` and `cgi-bin/stable_token` know nothing of each
/// other's, and the API takes both.
#[derive(Debug)]
pub(crate) struct Tokens {
    plain: Line,
    plain_a_day: Quota,
    stable: Line,
    stable_a_minute: Quota,
    stable_a_day: Quota,
    forced_a_day: Quota,
    forced: Option<Instant>,
    /// Every token that there ever was, dead or alive, and which one it is.
    generations: HashMap<String, u64>,
}

impl Tokens {
    /// No token yet; `a_day` of the plain ones may be fetched.
    pub(crate) fn new(a_day: u32) -> Self {
        Self {
            plain: Line::default(),
            plain_a_day: Quota::a_day(a_day),
            stable: Line::default(),
            stable_a_minute: Quota::a_minute(10_000),
            stable_a_day: Quota::a_day(500_000),
            forced_a_day: Quota::a_day(20),
            forced: None,
            generations: HashMap::new(),
        }
    }

    /// `cgi-bin/token`: always a new one.
    pub(crate) fn plain(&mut self, now: Instant) -> Result<Issued, Refusal> {
        if !self.plain_a_day.take(now) {
            return Err(Refusal::DAY_QUOTA);
        }
        Ok(self.renew(Call::Plain, now))
    }

    /// `cgi-bin/stable_token`: the same one until shortly before its end.
    pub(crate) fn stable(&mut self, now: Instant) -> Result<Issued, Refusal> {
        if !self.stable_a_minute.take(now) {
            return Err(Refusal::MINUTE_QUOTA);
        }
        if !self.stable_a_day.take(now) {
            return Err(Refusal::DAY_QUOTA);
        }
        Ok(self.stable.lasting(now).unwrap_or_else(|| self.renew(Call::Stable, now)))
    }

    /// `cgi-bin/stable_token` with `force_refresh`: a new one, at most every 30 s and 20 times a
    /// day. Sooner "it is not refreshed": the same one again.
    pub(crate) fn forced(&mut self, now: Instant) -> Result<Issued, Refusal> {
        if self.forced.is_some_and(|last| now < last + BETWEEN_FORCED) {
            return self.stable(now);
        }
        if !self.forced_a_day.take(now) {
            return Err(Refusal::DAY_QUOTA);
        }
        self.forced = Some(now);
        Ok(self.renew(Call::Stable, now))
    }

    fn renew(&mut self, call: Call, now: Instant) -> Issued {
        let line = match call {
            Call::Plain => &mut self.plain,
            Call::Stable => &mut self.stable,
        };
        let issued = line.renew(self.generations.len() as u64 + 1, now);
        self.generations.insert(issued.token.clone(), issued.generation);
        issued
    }

    /// Which of this account's tokens it is, dead or alive; `None` if it never was one.
    pub(crate) fn generation(&self, token: &str) -> Option<u64> {
        self.generations.get(token).copied()
    }

    /// Whether a call with this token of the account's is let in.
    pub(crate) fn check(&self, token: &str, now: Instant) -> Result<(), Refusal> {
        let live = self.plain.find(token).or_else(|| self.stable.find(token)).ok_or(Refusal::CREDENTIAL)?;
        if now < live.until { Ok(()) } else { Err(Refusal::TOKEN_EXPIRED) }
    }

    /// Ends all of them before their time, as WeChat has done.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.plain.expire(now);
        self.stable.expire(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: Result<(), Refusal> = Ok(());
    const EXPIRED: Result<(), Refusal> = Err(Refusal::TOKEN_EXPIRED);
    const NOT_LATEST: Result<(), Refusal> = Err(Refusal::CREDENTIAL);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn tokens() -> (Tokens, Instant) {
        (Tokens::new(2000), Instant::now())
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
    fn a_plain_token_replaces_the_one_before_which_lasts_five_more_minutes() {
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
        assert_eq!(tokens.generation(&stable.token), Some(1), "even a dead one");
        assert_eq!(tokens.generation("made-up"), None);
    }

    #[test]
    fn plain_tokens_have_a_daily_quota() {
        let (mut tokens, start) = (Tokens::new(1), Instant::now());
        tokens.plain(start).unwrap();
        assert_eq!(tokens.plain(start), Err(Refusal::DAY_QUOTA));
        assert!(tokens.plain(start + secs(86_400)).is_ok());
    }

    #[test]
    fn a_forced_refresh_works_every_30_seconds_and_the_second_kills_the_old_token() {
        let (mut tokens, start) = tokens();
        let old = tokens.stable(start).unwrap().token;
        let first = tokens.forced(start).unwrap().token;
        assert_eq!(tokens.check(&old, start), VALID);
        assert_eq!(tokens.forced(start + secs(29)).unwrap().token, first, "too soon: not refreshed");
        assert_ne!(tokens.forced(start + secs(30)).unwrap().token, first);
        assert_eq!(tokens.check(&old, start + secs(30)), NOT_LATEST);
    }

    #[test]
    fn twenty_forced_refreshes_are_enough_for_a_day() {
        let (mut tokens, start) = tokens();
        for n in 0..20 {
            tokens.forced(start + secs(30 * n)).unwrap();
        }
        assert_eq!(tokens.forced(start + secs(600)), Err(Refusal::DAY_QUOTA));
        assert!(tokens.stable(start + secs(600)).is_ok());
    }

    #[test]
    fn tokens_that_die_early_are_replaced_when_asked() {
        let (mut tokens, start) = tokens();
        let [plain, stable] = [tokens.plain(start).unwrap().token, tokens.stable(start).unwrap().token];
        tokens.expire(start);
        assert_eq!([tokens.check(&plain, start), tokens.check(&stable, start)], [EXPIRED, EXPIRED]);
        let renewed = tokens.stable(start).unwrap().token;
        assert_eq!(tokens.check(&renewed, start), VALID);
    }
}
