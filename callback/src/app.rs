//! What the callback's handlers share.

use std::{collections::BTreeMap, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use scenecast_shared::{
    bus::{Bus, BusError},
    config::HttpUrl,
    internal::Refused,
    scene::{AccountName, Cause, Rotating, SceneId, Settled, Transition},
    serve::Problem,
    store::{Budget, Replay, ReplayGuard, Users},
    wechat::Signed,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    api_keys::ApiKeys,
    config::AccountSettings,
    counts::Counts,
    site::Site,
    wechat::{self, Api},
};

/// One Official Account at work.
pub(crate) struct Account {
    pub(crate) name: AccountName,
    pub(crate) settings: AccountSettings,
    pub(crate) api: Api,
    pub(crate) users: wechat::Users,
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
        let settling = (|| self.bus.settle(scene, cause, transition))
            .retry(pauses())
            .when(|error: &BusError| matches!(error, BusError::Undecided(_)));
        let too_late = || BusError::Undecided("no answer before the deadline".into());
        timeout_at(deadline, settling).await.unwrap_or_else(|_| Err(too_late()))
    }

    /// Whether a message with this signature is genuine; `None` if the deadline came first.
    pub(crate) async fn replay(
        &self,
        account: &AccountName,
        signed: Signed<'_>,
        body: &[u8],
        deadline: Instant,
    ) -> Option<Replay> {
        let checking = (|| self.replays.check(account, signed, body)).retry(pauses());
        timeout_at(deadline, checking).await.ok().and_then(Result::ok)
    }
}

/// Between attempts, for as long as a deadline allows.
fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(300))
        .without_max_times()
        .with_jitter()
}
