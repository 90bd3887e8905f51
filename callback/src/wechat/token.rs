//! One account's access token: kept in this process, shared with the other pods, refreshed by one
//! of them at a time.
//!
//! `stable_token` in its normal mode answers the token that is valid until five minutes before its
//! end, and from then on a new one while the old one lasts. So asking is harmless, asking early is
//! useless, and a token that died early (somebody forced a refresh) is replaced by asking again.
//! We never force: that has a quota of 20 a day and, done twice, kills the token of everybody else.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use scenecast_shared::{
    scene::{AccountName, Secret},
    store::{StoreError, StoredToken, TokenStore},
    time::unix_now_ms,
    wechat::{ApiError, Code, Token},
};
use serde_json::json;
use tracing::Instrument;

use super::{
    circuit::Circuit,
    client::{Answer, ApiCall, CallError, Client},
};

const STABLE_TOKEN: &str = "/cgi-bin/stable_token";
/// A token is replaced this long before its end, when WeChat already gives a new one; the jitter
/// is taken off, so that pods don't all do it at once.
const AHEAD_MS: u64 = 280_000;
const JITTER_MS: u64 = 120_000;
/// What WeChat documents as the most.
const LONGEST_LIFE_SECS: u64 = 7200;
/// A token that ends sooner isn't used: the call has to arrive before.
const MARGIN_MS: u64 = 5_000;
/// After an attempt to renew ahead of time, until the next.
const RENEW_PAUSE_MS: u64 = 10_000;
/// How often a pod looks whether the one that refreshes is done, and for how long: longer than WeChat
/// may take.
const LOOK_EVERY: Duration = Duration::from_millis(30);
const LOOK_FOR: Duration = Duration::from_secs(3);
/// After WeChat gave no token, until it is asked again: twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What an account identifies itself with.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) app_id: String,
    pub(crate) secret: Secret,
}

/// The account's access token. Clones are the same one.
#[derive(Clone)]
pub(crate) struct AccessToken(Arc<Inner>);

struct Inner {
    account: AccountName,
    credentials: Credentials,
    client: Client,
    circuit: Circuit,
    store: TokenStore,
    kept: Mutex<Kept>,
    /// Held by whoever renews, so that one task of this process does.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    token: Option<Held>,
    failed: Option<Failed>,
}

struct Held {
    stored: StoredToken,
    renew_at: u64,
}

/// WeChat gave no token, so many times in a row.
struct Failed {
    error: CallError,
    times: u32,
    again_at: Instant,
}

impl AccessToken {
    pub(crate) fn new(
        account: AccountName,
        credentials: Credentials,
        client: Client,
        circuit: Circuit,
        store: TokenStore,
    ) -> Self {
        let (kept, renewing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { account, credentials, client, circuit, store, kept, renewing }))
    }

    /// A token to call with. One that nears its end is renewed while calls go on with it.
    pub(crate) async fn get(&self) -> Result<String, CallError> {
        let (token, is_due) = match &mut self.kept().token {
            Some(held) if lasts(&held.stored) => (Some(held.stored.token.clone()), held.is_due()),
            _ => (None, false),
        };
        let Some(token) = token else { return self.renew(None).await };
        if is_due {
            let (this, old) = (self.clone(), token.clone());
            tokio::spawn(async move {
                if let Err(error) = this.renew(Some(&old)).await {
                    tracing::warn!(account = %this.0.account, %error, "could not renew the access token ahead of its end");
                }
            });
        }
        Ok(token)
    }

    /// Another token than this one, which WeChat refused; the same where WeChat gives no other, which is
    /// worth another call and not another question.
    pub(crate) async fn replace(&self, refused: &str) -> Result<String, CallError> {
        match self.renew(Some(refused)).await {
            Ok(token) => {
                if token == refused {
                    self.put_off(&CallError::NoOtherToken);
                }
                Ok(token)
            }
            Err(CallError::NoOtherToken) => Ok(refused.to_owned()),
            Err(error) => Err(error),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that holds the lock panics half-way through a change.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token other than `old`: this process's, the other pods', or WeChat's.
    async fn renew(&self, old: Option<&str>) -> Result<String, CallError> {
        let (this, old) = (self.clone(), old.map(ToOwned::to_owned));
        // On its own, since whoever asked may hang up, and others wait for it.
        let renewing = tokio::spawn(async move { this.renew_once(old.as_deref()).await }.in_current_span());
        renewing.await.unwrap_or(Err(CallError::TooSlow))
    }

    async fn renew_once(&self, old: Option<&str>) -> Result<String, CallError> {
        let fits = |stored: &StoredToken| lasts(stored) && Some(stored.token.as_str()) != old;
        let _renewing = self.0.renewing.lock().await;
        if let Some(held) = &self.kept().token
            && fits(&held.stored)
        {
            return Ok(held.stored.token.clone());
        }
        let renewed = match self.share(fits).await {
            Ok(renewed) => renewed,
            Err(error) => {
                tracing::warn!(account = %self.0.account, %error, "access tokens can't be shared; asking WeChat");
                self.fetch().await
            }
        };
        renewed.map(|stored| self.keep(stored))
    }

    /// Takes part in the pods' refresh: gets what another has fetched, or fetches for all.
    async fn share(&self, fits: impl Fn(&StoredToken) -> bool) -> Result<Result<StoredToken, CallError>, StoreError> {
        let (app_id, store) = (&self.0.credentials.app_id, &self.0.store);
        let started = Instant::now();
        loop {
            if let Some(stored) = store.get(app_id).await?.filter(&fits) {
                return Ok(Ok(stored));
            }
            if let Some(lease) = store.lease(app_id).await? {
                // Another pod may have finished between the look and the lease.
                let fetched = match store.get(app_id).await?.filter(&fits) {
                    Some(stored) => Ok(stored),
                    None => self.fetch().await,
                };
                if let Ok(stored) = &fetched {
                    let life = Duration::from_millis(stored.expires_at.saturating_sub(unix_now_ms()));
                    if let Err(error) = store.put(app_id, stored, life).await {
                        tracing::warn!(account = %self.0.account, %error, "a new access token couldn't be shared");
                    }
                }
                // If this fails the lease ends by itself.
                let _ = store.release(app_id, lease).await;
                return Ok(fetched);
            }
            if started.elapsed() > LOOK_FOR {
                // Whoever refreshes is slow or dead, and one more call does no harm.
                return Ok(self.fetch().await);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Gets one from WeChat, unless that failed a moment ago.
    async fn fetch(&self) -> Result<StoredToken, CallError> {
        self.0.circuit.check(STABLE_TOKEN)?;
        if let Some(failed) = &self.kept().failed
            && Instant::now() < failed.again_at
        {
            return Err(failed.error.clone());
        }
        let fetched = self.ask().await;
        match &fetched {
            Ok(_) => tracing::info!(account = %self.0.account, "fetched an access token"),
            Err(error) => {
                self.0.circuit.learn(STABLE_TOKEN, error);
                self.put_off(error);
            }
        }
        fetched
    }

    async fn ask(&self) -> Result<StoredToken, CallError> {
        let Credentials { app_id, secret } = &self.0.credentials;
        let ask: ApiCall<Token> = ApiCall {
            path: STABLE_TOKEN,
            query: vec![],
            body: Some(json!({ "grant_type": "client_credential", "appid": app_id, "secret": secret.text() })),
            answer: Answer::JSON,
        };
        let Token { access_token, expires_in } = self.0.client.send(&ask, None).await.map_err(credentials)?;
        let expires_at = unix_now_ms() + expires_in.min(LONGEST_LIFE_SECS) * 1000;
        let stored = StoredToken { token: access_token, expires_at };
        if stored.token.is_empty() || !lasts(&stored) {
            return Err(ApiError::Nonsense(0).into());
        }
        Ok(stored)
    }

    fn put_off(&self, error: &CallError) {
        let mut kept = self.kept();
        let before = kept.failed.as_ref().map_or(0, |failed| failed.times);
        let pause = FIRST_PAUSE.saturating_mul(1 << before.min(10)).min(LONGEST_PAUSE);
        kept.failed = Some(Failed { error: error.clone(), times: before + 1, again_at: Instant::now() + pause });
    }

    fn keep(&self, stored: StoredToken) -> String {
        let token = stored.token.clone();
        let mut kept = self.kept();
        let renew_at = if kept.token.as_ref().is_some_and(|old| old.stored.token == stored.token) {
            // WeChat gave the old one again: the next attempt waits a little.
            unix_now_ms() + RENEW_PAUSE_MS
        } else {
            stored.expires_at.saturating_sub(AHEAD_MS - rand::random_range(0..JITTER_MS))
        };
        *kept = Kept { token: Some(Held { stored, renew_at }), failed: None };
        token
    }
}

impl Held {
    /// Whether it is time to renew it: for one caller only, so that one attempt is made.
    fn is_due(&mut self) -> bool {
        let now = unix_now_ms();
        let due = now >= self.renew_at;
        if due {
            self.renew_at = now + RENEW_PAUSE_MS;
        }
        due
    }
}

fn lasts(stored: &StoredToken) -> bool {
    stored.expires_at > unix_now_ms() + MARGIN_MS
}

/// 40001 is a stale token everywhere but on the token's own call: there the secret is wrong.
fn credentials(error: CallError) -> CallError {
    match error {
        CallError::Answer(ApiError::Refused { code: Code::StaleToken, number, message }) => {
            ApiError::Refused { code: Code::Credentials, number, message }.into()
        }
        other => other,
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
