//! One account's access token: kept in this process, shared with the other pods, refreshed by one pod at a time.
//!
//! WeChat's `stable_token`, in its normal mode, answers the current token until five minutes before the token's end.
//! From then on it answers a new token, and the old one stays valid until its end. So asking is harmless, and asking
//! early is useless. A token that ended early (because other software forced a refresh) is replaced by asking again. Until
//! WeChat gives a token, calls fail at once: a token that WeChat has refused is used by nobody. We never force a refresh:
//! that has a quota of 20 a day, and a second forced refresh ends the token of all other clients.
//!
//! ```text
//! get ─▶ the token of this process, if it lasts          (renewed in the background when it nears its end)
//!   └──▶ renew: one task of this process, whose failure is that of all who waited
//!          └──▶ the token of the store, if another pod has fetched one; nothing else during a pause
//!          └──▶ take the lease ─▶ ask WeChat ─▶ store ─▶ give the lease back
//!          └──▶ another pod has the lease: look again every 30 ms, for 3 s at most; then ask WeChat
//! ```
//!
//! See docs/decisions/028-wechat-is-not-asked-what-it-has-refused.md.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use scenecast_bus::StoreError;
use scenecast_scene::{AccountName, Secret, time::unix_now_ms};
use scenecast_wechat::{AccessToken, ApiError, ErrorCode};
use serde_json::json;
use tracing::Instrument;

use super::{
    circuit::Circuit,
    client::{ApiCall, CallError, CallSubject, ResponseFormat, WechatClient},
    token_state::{TokenState, UsableToken, lasts},
};
use crate::stores::{StoredToken, TokenStore};

const STABLE_TOKEN: &str = "/cgi-bin/stable_token";
/// The longest life that WeChat documents.
const LONGEST_LIFE_SECS: u64 = 7200;
/// How often a pod looks whether another pod has finished its refresh.
const POLL_INTERVAL: Duration = Duration::from_millis(30);
/// How long a pod waits for another pod's refresh. It is longer than WeChat may take.
const POLL_TIMEOUT: Duration = Duration::from_secs(3);

/// The app id and secret of an account.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) app_id: String,
    pub(crate) secret: Secret,
}

/// Gives access tokens of one account. Clones share the token.
#[derive(Clone)]
pub(crate) struct AccessTokenSource(Arc<SourceInner>);

struct SourceInner {
    account: AccountName,
    credentials: Credentials,
    client: WechatClient,
    circuit: Circuit,
    store: TokenStore,
    state: Mutex<TokenState>,
    /// Locked by the task that renews, so that only one task of this process does.
    renewing: tokio::sync::Mutex<()>,
}

impl AccessTokenSource {
    pub(crate) fn new(
        account: AccountName,
        credentials: Credentials,
        client: WechatClient,
        circuit: Circuit,
        store: TokenStore,
    ) -> Self {
        Self(Arc::new(SourceInner {
            account,
            credentials,
            client,
            circuit,
            store,
            state: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
        }))
    }

    /// A valid token. A token that nears its end is renewed in the background, while calls go on with it.
    pub(crate) async fn get(&self) -> Result<String, CallError> {
        let held = self.0.state.lock().use_token();
        let Some(UsableToken { token, is_due }) = held else { return self.renew(None).await };
        if is_due {
            let source = self.clone();
            let old = token.clone();
            tokio::spawn(async move {
                match source.renew(Some(&old)).await {
                    // The line of the pause stands for these.
                    Ok(_) | Err(CallError::NotMade(_)) => {}
                    Err(error) => tracing::warn!(
                        account = %source.0.account, %error,
                        "could not renew the access token before its end; tried again in ten seconds"
                    ),
                }
            });
        }
        Ok(token)
    }

    /// The token to use in place of this one, which WeChat has refused. It is the same token if WeChat gives no other:
    /// the caller tries it once more, and WeChat isn't asked for a token again at once. If this fails, nobody uses the
    /// refused token any more.
    pub(crate) async fn replace(&self, refused: &str) -> Result<String, CallError> {
        let is_dead = self.0.state.lock().refuse(refused);
        if is_dead { self.renew(None).await } else { Ok(refused.to_owned()) }
    }

    /// A token other than `old` and the refused one: of this process, of another pod, or from WeChat.
    async fn renew(&self, old: Option<&str>) -> Result<String, CallError> {
        let source = self.clone();
        let old = old.map(ToOwned::to_owned);
        // In its own task, because the caller may be cancelled, and other callers wait for the same token.
        let renewing = tokio::spawn(async move { source.renew_once(old.as_deref()).await }.in_current_span());
        renewing.await.unwrap_or(Err(CallError::TooSlow))
    }

    async fn renew_once(&self, old: Option<&str>) -> Result<String, CallError> {
        let asked_at = Instant::now();
        let _renewing = self.0.renewing.lock().await;
        let refused = self.0.state.lock().refused();
        let fits = |stored: &StoredToken| {
            let token = Some(stored.token.as_str());
            lasts(stored) && token != old && token != refused.as_deref()
        };
        if let Some(renewed) = self.renewed_since(asked_at, fits) {
            return renewed;
        }
        let stored = match self.0.circuit.check(STABLE_TOKEN) {
            Ok(()) => self.fetch_for_pods(fits).await,
            Err(paused) => self.fetched_by_another_pod(fits).await.ok_or(paused),
        }?;
        let token = stored.token.clone();
        self.0.state.lock().keep(stored);
        Ok(token)
    }

    /// What another task of this process got meanwhile.
    fn renewed_since(
        &self,
        asked_at: Instant,
        fits: impl Fn(&StoredToken) -> bool,
    ) -> Option<Result<String, CallError>> {
        let state = self.0.state.lock();
        match state.stored().filter(|stored| fits(stored)) {
            Some(stored) => Some(Ok(stored.token.clone())),
            None => state.failure_since(asked_at).map(Err),
        }
    }

    /// The token that another pod has fetched while this pod doesn't ask WeChat.
    async fn fetched_by_another_pod(&self, fits: impl Fn(&StoredToken) -> bool) -> Option<StoredToken> {
        let stored = self.0.store.get(&self.0.credentials.app_id).await.ok().flatten().filter(fits)?;
        self.0.circuit.end(STABLE_TOKEN);
        Some(stored)
    }

    /// The token that another pod has fetched, or one from WeChat, for all pods if Redis can tell them.
    async fn fetch_for_pods(&self, fits: impl Fn(&StoredToken) -> bool) -> Result<StoredToken, CallError> {
        match self.renew_with_pods(fits).await {
            Ok(renewed) => renewed,
            Err(error) => {
                tracing::warn!(
                    account = %self.0.account, %error,
                    "access tokens can't be shared over Redis; this pod asks WeChat for its own"
                );
                self.fetch().await
            }
        }
    }

    /// Takes the token that another pod has fetched, or fetches one for all pods.
    async fn renew_with_pods(
        &self,
        fits: impl Fn(&StoredToken) -> bool,
    ) -> Result<Result<StoredToken, CallError>, StoreError> {
        let app_id = &self.0.credentials.app_id;
        let store = &self.0.store;
        let started = Instant::now();
        loop {
            if let Some(stored) = store.get(app_id).await?.filter(&fits) {
                return Ok(Ok(stored));
            }
            if let Some(lease) = store.lease(app_id).await? {
                // Another pod may have stored a token between our read and our lease.
                let fetched = match store.get(app_id).await?.filter(&fits) {
                    Some(stored) => Ok(stored),
                    None => self.fetch().await,
                };
                if let Ok(stored) = &fetched {
                    let life = Duration::from_millis(stored.expires_at.saturating_sub(unix_now_ms()));
                    if let Err(error) = store.put(app_id, stored, life).await {
                        tracing::warn!(
                            account = %self.0.account, %error,
                            "could not store a new access token; the other pods ask WeChat themselves"
                        );
                    }
                }
                // If this fails, the lease ends by itself.
                let _ = store.release(app_id, lease).await;
                return Ok(fetched);
            }
            if started.elapsed() > POLL_TIMEOUT {
                // The pod that has the lease is slow or dead. One more call does no harm.
                return Ok(self.fetch().await);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Asks WeChat for a token, unless there is a pause.
    async fn fetch(&self) -> Result<StoredToken, CallError> {
        let begun = self.0.circuit.begin(STABLE_TOKEN)?;
        let answer = self.ask_wechat().await;
        let fetched = self.0.circuit.record(begun, CallSubject::Account, answer);
        match &fetched {
            Ok(_) => tracing::info!(account = %self.0.account, "fetched an access token"),
            Err(error) => self.0.state.lock().record_failure(error),
        }
        fetched
    }

    async fn ask_wechat(&self) -> Result<StoredToken, CallError> {
        let Credentials { app_id, secret } = &self.0.credentials;
        let ask: ApiCall<AccessToken> = ApiCall {
            path: STABLE_TOKEN,
            subject: CallSubject::Account,
            query: vec![],
            body: Some(json!({ "grant_type": "client_credential", "appid": app_id, "secret": secret.text() })),
            format: ResponseFormat::JSON,
        };
        let AccessToken { access_token, expires_in } = self.0.client.send(&ask, None).await.map_err(of_token_call)?;
        let expires_at = unix_now_ms() + expires_in.min(LONGEST_LIFE_SECS) * 1000;
        let stored = StoredToken { token: access_token, expires_at };
        if stored.token.is_empty() || !lasts(&stored) {
            return Err(ApiError::Malformed(0).into());
        }
        Ok(stored)
    }
}

/// What WeChat's codes mean in the answer of the call that fetches the token. 40001 means a wrong secret there. 45009
/// means either of its quotas, by the minute and by the day; without a token nothing works, so it is the shorter one
/// for us.
fn of_token_call(error: CallError) -> CallError {
    match error {
        CallError::Answer(error) => CallError::Answer(error.with_code(|code| match code {
            ErrorCode::StaleToken => ErrorCode::Credentials,
            other => other.by_the_minute(),
        })),
        other => other,
    }
}

#[cfg(test)]
#[path = "access_token_tests.rs"]
mod tests;
