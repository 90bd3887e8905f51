//! What the callback's handlers share.

use std::{collections::BTreeMap, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use scenecast_shared::{
    bus::{Bus, BusError},
    config::HttpUrl,
    internal::Refused,
    scene::{AccountName, Cause, Rotating, SceneId, Settled, Transition},
    serve::Problem,
    store::{Budget, Codes, Guesses, Pending, Replay, ReplayGuard, StoreError, Users},
    wechat::Signed,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    api_keys::ApiKeys, config::AccountSettings, counts::Counts, geo::GeoDatabase, site::Site, webhook::People,
    wechat::Api,
};

/// One Official Account at work.
pub(crate) struct Account {
    pub(crate) name: AccountName,
    pub(crate) settings: AccountSettings,
    pub(crate) api: Api,
    pub(crate) people: People,
    pub(crate) site: Site,
}

/// What the callback's handlers share. It keeps nothing that a login needs.
pub(crate) struct App {
    pub(crate) accounts: BTreeMap<AccountName, Account>,
    pub(crate) api_keys: ApiKeys,
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
    pub(crate) counts: Counts,
}

impl App {
    /// The account with this name.
    pub(crate) fn account(&self, name: &str) -> Result<&Account, Problem> {
        let account = name.parse().ok().and_then(|name: AccountName| self.accounts.get(&name));
        account.ok_or_else(|| Refused::AccountUnknown.problem())
    }

    /// The account whose webhook this path is.
    pub(crate) fn account_at(&self, path: &str) -> Result<&Account, Problem> {
        if let Some(name) = path.strip_prefix("/wechat/") {
            return self.account(name);
        }
        let is_here = |account: &&Account| account.settings.path.as_ref().is_some_and(|own| own.as_str() == path);
        self.accounts.values().find(is_here).ok_or_else(|| Refused::AccountUnknown.problem())
    }

    /// Where WeChat's own picture of the code with this ticket is.
    pub(crate) fn picture_of(&self, ticket: &str) -> String {
        let ticket: String = url::form_urlencoded::byte_serialize(ticket.as_bytes()).collect();
        self.picture_base.with(&format!("/cgi-bin/showqrcode?ticket={ticket}"))
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

/// Asks again while there is no answer; `None` if the deadline came first.
pub(crate) async fn insist<T, E, F: Future<Output = Result<T, E>>>(
    deadline: Instant,
    ask: impl FnMut() -> F,
    is_undecided: impl FnMut(&E) -> bool,
) -> Option<Result<T, E>> {
    timeout_at(deadline, ask.retry(pauses()).when(is_undecided)).await.ok()
}

/// Between attempts, for as long as a deadline allows.
fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(300))
        .without_max_times()
        .with_jitter()
}
