//! What the callback's handlers share.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use scenecast_shared::{
    bus::{Bus, BusError},
    config::HttpUrl,
    internal::Refused,
    scene::{AccountName, Cause, Grant, GrantSecrets, OpenId, Rotating, SceneId, Secret, Settled, Transition},
    serve::{Problem, Rate, RateByAddress, TurnedAway},
    store::{Budget, Codes, Guesses, JsCodes, Pending, Replay, ReplayGuard, StoreError, Users},
    wechat::Signed,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    accounts::{Account, Accounts},
    clock::Clock,
    counts::Counts,
    geo::GeoDatabase,
};

/// What the callback's handlers share. It keeps nothing that a login needs.
pub(crate) struct App {
    /// Replaced as a whole when the configuration changes.
    pub(crate) accounts: watch::Sender<Arc<Accounts>>,
    pub(crate) internal_secret: Rotating,
    pub(crate) picture_base: HttpUrl,
    pub(crate) bus: Bus,
    pub(crate) users: Users,
    pub(crate) pending: Pending,
    pub(crate) codes: Codes,
    pub(crate) guesses: Guesses,
    pub(crate) geo_database: Option<GeoDatabase>,
    pub(crate) replays: ReplayGuard,
    pub(crate) qr_budget: Budget,
    pub(crate) js_codes: JsCodes,
    /// WeChat's messages.
    pub(crate) webhooks: Rate,
    /// What comes to the webhooks and is none of WeChat's.
    pub(crate) junk: RateByAddress,
    pub(crate) turned_away: TurnedAway,
    pub(crate) clock: Clock,
    pub(crate) counts: Counts,
}

impl App {
    /// The accounts as they are now. Whoever asks keeps these, whatever changes meanwhile.
    pub(crate) fn accounts(&self) -> Arc<Accounts> {
        self.accounts.borrow().clone()
    }

    /// The Official Account with this name.
    pub(crate) fn account(&self, name: &str) -> Result<Arc<Account>, Problem> {
        let account = name.parse().ok().and_then(|name: AccountName| self.accounts().official(&name).cloned());
        account.ok_or_else(|| Refused::AccountUnknown.problem())
    }

    /// The account whose webhook this path is.
    pub(crate) fn account_at(&self, path: &str) -> Result<Arc<Account>, Problem> {
        match path.strip_prefix("/wechat/") {
            Some(name) => self.account(name),
            None => self.accounts().at_path(path).cloned().ok_or_else(Problem::not_found),
        }
    }

    /// Where WeChat's own picture of the code with this ticket is.
    pub(crate) fn picture_of(&self, ticket: &str) -> String {
        let ticket: String = url::form_urlencoded::byte_serialize(ticket.as_bytes()).collect();
        self.picture_base.with(&format!("/cgi-bin/showqrcode?ticket={ticket}"))
    }

    /// What a login of theirs hands to this scene's page, with the secret that the account has at WeChat.
    pub(crate) fn grant(&self, account: &Secret, scene: SceneId, who: &OpenId) -> Grant {
        Grant::derive(GrantSecrets { deployment: &self.internal_secret.current, account }, scene, who)
    }

    /// Settles. While that is undecided it does so again, which the same delivery id makes
    /// harmless, until the deadline.
    pub(crate) async fn settle(
        &self,
        scene: SceneId,
        cause: &Cause,
        transition: &Transition,
        deadline: Instant,
    ) -> Result<Settled, BusError> {
        let is_undecided = |error: &BusError| matches!(error, BusError::Undecided(_));
        let settled = insist(deadline, || self.bus.settle(scene, cause, transition), is_undecided).await;
        settled.unwrap_or_else(|| Err(BusError::Undecided("no answer before the deadline".into())))
    }

    /// Whether a message with this signature is genuine; `None` if the deadline came first.
    pub(crate) async fn replay(
        &self,
        account: &AccountName,
        signed: Signed<'_>,
        body: &[u8],
        deadline: Instant,
    ) -> Option<Replay> {
        insist(deadline, || self.replays.check(account, signed, body), |_: &StoreError| true).await?.ok()
    }
}

/// What a store answers by the deadline, asked again while it gives no answer.
pub(crate) async fn stored<T, F: Future<Output = Result<T, StoreError>>>(
    deadline: Instant,
    ask: impl FnMut() -> F,
) -> Result<T, StoreError> {
    let is_undecided = |error: &StoreError| matches!(error, StoreError::Undecided(_));
    let answer = insist(deadline, ask, is_undecided).await;
    answer.unwrap_or_else(|| Err(StoreError::Undecided("no answer before the deadline".into())))
}

/// Asks again while there is no answer; `None` if the deadline came first.
async fn insist<T, E, F: Future<Output = Result<T, E>>>(
    deadline: Instant,
    ask: impl FnMut() -> F,
    is_undecided: impl FnMut(&E) -> bool,
) -> Option<Result<T, E>> {
    // Boxed: what these need would be part of every webhook several times.
    timeout_at(deadline, Box::pin(ask.retry(pauses()).when(is_undecided).into_future())).await.ok()
}

/// Between attempts, for as long as a deadline allows.
fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(300))
        .without_max_times()
        .with_jitter()
}
