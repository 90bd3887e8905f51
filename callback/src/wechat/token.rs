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

use super::client::{ApiCall, CallError, Client};

/// A token is replaced this long before its end, when WeChat already gives a new one; the jitter
/// is taken off, so that pods don't all do it at once.
const AHEAD_MS: u64 = 280_000;
const JITTER_MS: u64 = 120_000;
/// What WeChat documents as the most.
const LONGEST_LIFE_SECS: u64 = 7200;
/// A token that ends sooner isn't used: the call has to arrive before.
const MARGIN_MS: u64 = 5_000;
const RENEW_PAUSE_MS: u64 = 10_000;
/// How often a pod looks whether the one that refreshes is done, and for how long.
const LOOK_EVERY: Duration = Duration::from_millis(30);
const LOOK_FOR: Duration = Duration::from_secs(2);
/// WeChat is left alone for so long after it refused app id, secret or address: that takes
/// somebody to mend, and hammering is punished.
const PAUSE: Duration = Duration::from_secs(5);

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
    store: TokenStore,
    kept: Mutex<Kept>,
    /// Held by whoever renews, so that one task of this process does.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    token: Option<Held>,
    refused: Option<(CallError, Instant)>,
}

#[derive(Clone)]
struct Held {
    stored: StoredToken,
    renew_at: u64,
}

impl AccessToken {
    pub(crate) fn new(account: AccountName, credentials: Credentials, client: Client, store: TokenStore) -> Self {
        let renewing = tokio::sync::Mutex::default();
        Self(Arc::new(Inner { account, credentials, client, store, kept: Mutex::default(), renewing }))
    }

    /// A token to call with.
    pub(crate) async fn get(&self) -> Result<String, CallError> {
        let Some(held) = self.held() else { return self.renew(None).await };
        if unix_now_ms() >= held.renew_at && self.0.renewing.try_lock().is_ok() {
            let (this, old) = (self.clone(), held.stored.token.clone());
            tokio::spawn(async move {
                if let Err(error) = this.renew(Some(&old)).await {
                    tracing::warn!(account = %this.0.account, %error, "could not renew the access token ahead of its end");
                }
            });
        }
        Ok(held.stored.token)
    }

    /// Another token than this one, which WeChat refused.
    pub(crate) async fn replace(&self, refused: &str) -> Result<String, CallError> {
        self.renew(Some(refused)).await
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that holds the lock panics half-way through a change.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Option<Held> {
        self.kept().token.clone().filter(|held| lasts(&held.stored))
    }

    /// A token other than `old`: this process's, the other pods', or WeChat's.
    async fn renew(&self, old: Option<&str>) -> Result<String, CallError> {
        let fits = |stored: &StoredToken| lasts(stored) && Some(stored.token.as_str()) != old;
        let _renewing = self.0.renewing.lock().await;
        if let Some(held) = self.held()
            && fits(&held.stored)
        {
            return Ok(held.stored.token);
        }
        if let Some((refused, at)) = &self.kept().refused
            && at.elapsed() < PAUSE
        {
            return Err(refused.clone());
        }
        match self.share(fits).await {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(account = %self.0.account, %error, "access tokens can't be shared; asking WeChat");
                self.fetch().await
            }
        }
        .map(|stored| self.keep(stored))
    }

    /// Takes part in the pods' refresh: gets what another has fetched, or fetches for all.
    async fn share(&self, fits: impl Fn(&StoredToken) -> bool) -> Result<Result<StoredToken, CallError>, StoreError> {
        let (account, store) = (&self.0.account, &self.0.store);
        let started = Instant::now();
        loop {
            if let Some(stored) = store.get(account).await?.filter(&fits) {
                return Ok(Ok(stored));
            }
            if let Some(lease) = store.lease(account).await? {
                // Another pod may have finished between the look and the lease.
                let fetched = match store.get(account).await?.filter(&fits) {
                    Some(stored) => Ok(stored),
                    None => self.fetch().await,
                };
                if let Ok(stored) = &fetched {
                    let life = Duration::from_millis(stored.expires_at.saturating_sub(unix_now_ms()));
                    if let Err(error) = store.put(account, stored, life).await {
                        tracing::warn!(%account, %error, "a new access token couldn't be shared");
                    }
                }
                // If this fails the lease ends by itself.
                let _ = store.release(account, lease).await;
                return Ok(fetched);
            }
            if started.elapsed() > LOOK_FOR {
                // Whoever refreshes is slow or dead, and one more call does no harm.
                return Ok(self.fetch().await);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn fetch(&self) -> Result<StoredToken, CallError> {
        let Credentials { app_id, secret } = &self.0.credentials;
        let ask = ApiCall {
            path: "/cgi-bin/stable_token",
            query: vec![],
            body: Some(json!({ "grant_type": "client_credential", "appid": app_id, "secret": secret.text() })),
        };
        let answer: Result<Token, CallError> = self.0.client.send(&ask, None).await.map_err(configuration);
        match answer {
            Ok(Token { access_token, .. }) if access_token.is_empty() => Err(ApiError::Nonsense(0).into()),
            Ok(Token { access_token, expires_in }) => {
                let expires_in = expires_in.min(LONGEST_LIFE_SECS);
                tracing::info!(account = %self.0.account, expires_in, "fetched an access token");
                Ok(StoredToken { token: access_token, expires_at: unix_now_ms() + expires_in * 1000 })
            }
            Err(error) => {
                if error.code() == Some(Code::Configuration) {
                    tracing::error!(
                        account = %self.0.account, %error,
                        "WeChat accepts no app id, secret or address of this account: its configuration has to be mended"
                    );
                    self.kept().refused = Some((error.clone(), Instant::now()));
                }
                Err(error)
            }
        }
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
        *kept = Kept { token: Some(Held { stored, renew_at }), refused: None };
        token
    }
}

fn lasts(stored: &StoredToken) -> bool {
    stored.expires_at > unix_now_ms() + MARGIN_MS
}

/// 40001 is a stale token everywhere but on the token's own call: there the secret is wrong.
fn configuration(error: CallError) -> CallError {
    match error {
        CallError::Answer(ApiError::Refused { code: Code::StaleToken, number, message }) => {
            ApiError::Refused { code: Code::Configuration, number, message }.into()
        }
        other => other,
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
