//! What a page shows, so that a phone finds its scene: the best handle that the account can give now.
//!
//! ```text
//! Official Account:  QR code ──refused, paused, or none left today──▶ code of its fallback mini program ──fails──▶ typed code
//! mini program:      its own code
//! ```
//!
//! The account goes back to QR codes by itself, as soon as WeChat gives them again. An address that has had its share of
//! the day gets no more QR codes until midnight.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use scenecast_bus::StoreError;
use scenecast_scene::{
    AccountName, SceneId,
    internal::{Handle, OpenRefusal, OpenedHandle},
};
use scenecast_service::{config::HttpUrl, http::Problem};
use scenecast_wechat::{ApiError, ErrorCode};
use tokio::time::Instant;

use super::address_share::{AddressShareUsed, AddressShares};
use crate::{
    accounts::{Account, Accounts, FallbackReason, MiniProgram},
    clock::Clock,
    metrics::HandleMetrics,
    problems::from_refusal,
    stores::{DailyQuota, KeptCode, KeptCodes, MakingLease, TypedCode, TypedCodes},
    wechat::{CallError, PauseReason, QR_CODE},
};

/// How often a call looks whether another call has made the code.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often it looks at most: together less than a gateway waits for its answer.
const MOST_LOOKS: usize = 30;

/// The handle that a page wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandleRequest<'a> {
    pub(crate) account: &'a AccountName,
    pub(crate) scene: SceneId,
    /// The rest of the scene's life.
    pub(crate) life: Duration,
    pub(crate) handle: Handle,
    /// The address as which the page's client is limited.
    pub(crate) client: Option<IpAddr>,
    /// By when WeChat has to have answered all calls that this takes: the gateway waits little longer.
    pub(crate) wechat_by: Instant,
}

pub(crate) struct HandleFactory {
    /// The address of WeChat's pictures of QR codes.
    pub(crate) picture_base: HttpUrl,
    pub(crate) qr_quota: DailyQuota,
    pub(crate) shares: AddressShares,
    pub(crate) shown: KeptCodes,
    pub(crate) codes: TypedCodes,
    pub(crate) clock: Clock,
    pub(crate) metrics: HandleMetrics,
}

/// Why there is no QR code.
enum NoQrCode {
    /// The page gets another handle.
    Fallback(FallbackReason),
    /// The page gets nothing, and has to come back.
    Refused(OpenRefusal),
}

impl HandleFactory {
    /// The handle that the page of this scene shows already. Makes one if there is none.
    pub(crate) async fn find_or_make(
        &self,
        accounts: &Accounts,
        wanted: HandleRequest<'_>,
    ) -> Result<OpenedHandle, Problem> {
        let scene = wanted.scene;
        for _ in 0..MOST_LOOKS {
            match self.shown.find_or_lease(scene).await {
                Ok(KeptCode::Made(handle)) if self.still_finds(wanted, &handle).await? => return Ok(handle),
                Ok(KeptCode::Made(_)) => {
                    let made = self.make(accounts, wanted).await?;
                    self.keep_shown(wanted, &made).await;
                    return Ok(made);
                }
                Ok(KeptCode::BeingMade) => tokio::time::sleep(LOOK_AGAIN).await,
                Ok(KeptCode::Missing(lease)) => {
                    let made = self.make(accounts, wanted).await;
                    self.end_making(wanted, &made, lease).await;
                    return made;
                }
                Err(error) => {
                    tracing::warn!(
                        account = %wanted.account, %scene, %error,
                        "Redis did not say whether a page shows a code already, so the page gets a new one; if it says \
                         NOPERM, take over the new deploy/redis/users.acl"
                    );
                    return self.make(accounts, wanted).await;
                }
            }
        }
        Err(from_refusal(OpenRefusal::WechatUnavailable))
    }

    /// Whether a phone that brings this handle still finds the scene. A QR code says the scene itself; a typed code is
    /// looked up, perhaps at another Redis server, which may have lost it.
    async fn still_finds(&self, wanted: HandleRequest<'_>, handle: &OpenedHandle) -> Result<bool, Problem> {
        let OpenedHandle::Typed { code } = handle else { return Ok(true) };
        let HandleRequest { account, scene, life, .. } = wanted;
        self.restore(account, scene, life, code).await
    }

    /// Makes sure that the code which the page of a lost scene shows finds it again.
    ///
    /// See docs/decisions/088-a-lost-code-is-stored-anew-by-the-gateway-that-showed-it.md.
    pub(crate) async fn restore_typed(
        &self,
        account: &AccountName,
        scene: SceneId,
        life: Duration,
        code: &str,
    ) -> Result<(), Problem> {
        if !self.restore(account, scene, life, code).await? {
            tracing::warn!(
                %account, %scene,
                "a page shows a code to be typed that Redis lost and that leads to another page now; whoever types it gets no \
                 answer on this page until it is loaded anew"
            );
        }
        Ok(())
    }

    async fn restore(
        &self,
        account: &AccountName,
        scene: SceneId,
        life: Duration,
        code: &str,
    ) -> Result<bool, Problem> {
        let Some(code) = code.parse::<TypedCode>().ok() else { return Ok(false) };
        self.codes.restore(account, &code, scene, life).await.map_err(|error| {
            tracing::warn!(
                %account, %scene, %error,
                "Redis did not say whether a page's typed code still finds it; it is asked again"
            );
            from_refusal(OpenRefusal::BusUnavailable)
        })
    }

    /// Keeps what was made for a page that asks again, or lets the next call make it.
    async fn end_making(&self, wanted: HandleRequest<'_>, made: &Result<OpenedHandle, Problem>, lease: MakingLease) {
        match made {
            // WeChat makes as many of these pictures as are asked for, and they are large.
            Err(_) | Ok(OpenedHandle::MiniProgram { .. }) => {
                log_not_kept(wanted.scene, self.shown.give_up(wanted.scene, lease).await);
            }
            Ok(handle) => self.keep_shown(wanted, handle).await,
        }
    }

    async fn keep_shown(&self, HandleRequest { scene, life, .. }: HandleRequest<'_>, handle: &OpenedHandle) {
        log_not_kept(scene, self.shown.put(scene, handle, life).await);
    }

    /// Makes the handle of a scene.
    pub(crate) async fn make(&self, accounts: &Accounts, wanted: HandleRequest<'_>) -> Result<OpenedHandle, Problem> {
        let HandleRequest { account, .. } = wanted;
        let made = match (accounts.official(account), accounts.mini_program(account), wanted.handle) {
            (Some(account), _, Handle::Any) => self.best(accounts, account, wanted).await?,
            (Some(account), _, Handle::Typed) => self.typed_code(account, wanted).await?,
            (None, Some(mini_program), Handle::Any) => {
                mini_program_code(mini_program, wanted).await.map_err(|error| {
                    log_no_code(&mini_program.name, wanted.scene, &error);
                    from_refusal(refusal(&error))
                })?
            }
            (None, Some(_), Handle::Typed) => return Err(Problem::bad_request("nobody can type to a mini program")),
            (None, None, _) => return Err(from_refusal(OpenRefusal::AccountUnknown)),
        };
        let kind = match made {
            OpenedHandle::Qr { .. } => "qr",
            OpenedHandle::MiniProgram { .. } => "mini_program",
            OpenedHandle::Typed { .. } => "typed",
        };
        self.metrics.handles.with_label_values(&[account.as_str(), kind]).inc();
        Ok(made)
    }

    async fn best(
        &self,
        accounts: &Accounts,
        account: &Account,
        wanted: HandleRequest<'_>,
    ) -> Result<OpenedHandle, Problem> {
        let reason = match self.qr_code(account, wanted).await {
            Ok(qr_code) => {
                account.fallback.set(&account.name, None);
                return Ok(qr_code);
            }
            Err(NoQrCode::Refused(refused)) => return Err(from_refusal(refused)),
            Err(NoQrCode::Fallback(reason)) => reason,
        };
        if reason != FallbackReason::Address {
            account.fallback.set(&account.name, Some(reason));
        }
        self.metrics.fallbacks.with_label_values(&[account.name.as_str(), reason.as_str()]).inc();
        let mini_program = account.settings.fallback_mini_program.as_ref().and_then(|name| accounts.mini_program(name));
        if let Some(mini_program) = mini_program {
            match mini_program_code(mini_program, wanted).await {
                Ok(code) => return Ok(code),
                Err(error) => log_no_code(&mini_program.name, wanted.scene, &error),
            }
        }
        self.typed_code(account, wanted).await
    }

    async fn qr_code(&self, account: &Account, wanted: HandleRequest<'_>) -> Result<OpenedHandle, NoQrCode> {
        let HandleRequest { scene, life, client, wechat_by, .. } = wanted;
        // Before the quota is counted: a call that isn't made uses nothing of it.
        account.api.prepare_qr_code(wechat_by).await.map_err(|error| no_qr_code(account, scene, &error))?;
        let now = self.clock.now();
        let share = self.shares.take(account, client, now).await;
        share.map_err(|AddressShareUsed| NoQrCode::Fallback(FallbackReason::Address))?;
        self.count_qr_code(account, now).await?;
        match account.api.qr_code(scene, life, wechat_by).await {
            Ok(code) => {
                Ok(OpenedHandle::Qr { picture: self.picture_of(&code.ticket), url: code.url, ticket: code.ticket })
            }
            Err(error) => {
                // Whatever our own count says: WeChat also counts the calls of other software.
                if error.code() == Some(ErrorCode::DayQuota) {
                    self.metrics.quota_left.with_label_values(&[account.name.as_str(), QR_CODE]).set(0);
                }
                Err(no_qr_code(account, scene, &error))
            }
        }
    }

    /// Counts one QR code against the day's quota.
    async fn count_qr_code(&self, account: &Account, now: SystemTime) -> Result<(), NoQrCode> {
        let quota = account.settings.qr_quota;
        let calls = self.qr_quota.count_call(&account.name, quota, now).await;
        let calls = calls.map_err(|_| NoQrCode::Refused(OpenRefusal::BusUnavailable))?;
        let left = quota.checked_sub(calls);
        let labels = [account.name.as_str(), QR_CODE];
        let gauge = |codes: u64| i64::try_from(codes).unwrap_or(i64::MAX);
        self.metrics.quota.with_label_values(&labels).set(gauge(quota));
        self.metrics.quota_left.with_label_values(&labels).set(gauge(left.unwrap_or(0)));
        left.map(|_| ()).ok_or(NoQrCode::Fallback(FallbackReason::OwnCount))
    }

    async fn typed_code(&self, account: &Account, wanted: HandleRequest<'_>) -> Result<OpenedHandle, Problem> {
        let HandleRequest { scene, life, .. } = wanted;
        let code = self.codes.issue(&account.name, scene, life).await.map_err(|error| {
            tracing::warn!(
                account = %account.name, %scene, %error,
                "could not issue a typed code; the page is told to come back"
            );
            from_refusal(OpenRefusal::BusUnavailable)
        })?;
        Ok(OpenedHandle::Typed { code: code.to_string() })
    }

    /// The address of WeChat's own picture of the QR code with this ticket.
    fn picture_of(&self, ticket: &str) -> String {
        let ticket: String = url::form_urlencoded::byte_serialize(ticket.as_bytes()).collect();
        self.picture_base.join(&format!("/cgi-bin/showqrcode?ticket={ticket}"))
    }
}

fn log_not_kept(scene: SceneId, kept: Result<(), StoreError>) {
    if let Err(error) = kept {
        tracing::warn!(%scene, %error, "could not keep a page's code; the page gets another one if it asks again");
    }
}

fn no_qr_code(account: &Account, scene: SceneId, error: &CallError) -> NoQrCode {
    match FallbackReason::of(error) {
        Some(reason) => NoQrCode::Fallback(reason),
        None => {
            tracing::warn!(
                account = %account.name, %scene, %error,
                "could not make a QR code; the page is told why, and may come back"
            );
            NoQrCode::Refused(refusal(error))
        }
    }
}

async fn mini_program_code(mini_program: &MiniProgram, wanted: HandleRequest<'_>) -> Result<OpenedHandle, CallError> {
    let MiniProgram { api, settings, .. } = mini_program;
    let picture = api.code(wanted.scene, &settings.page, settings.env_version, wanted.wechat_by).await?;
    Ok(OpenedHandle::MiniProgram { image: picture.data_url() })
}

fn log_no_code(mini_program: &AccountName, scene: SceneId, error: &CallError) {
    if matches!(error, CallError::NotMade(_)) {
        // The line of the pause stands for all of its pages.
        return;
    }
    tracing::warn!(
        account = %mini_program, %scene, %error,
        "could not make a mini program's code; the page gets a typed code, or is told to come back"
    );
}

/// What a gateway can tell its page about WeChat's refusal. WeChat's own words are only for our log.
fn refusal(error: &CallError) -> OpenRefusal {
    match error {
        CallError::TooSlow
        | CallError::Unreachable(_)
        | CallError::Foreign(_)
        | CallError::NotMade(PauseReason::Unanswered)
        | CallError::Answer(ApiError::Malformed(_)) => OpenRefusal::WechatUnavailable,
        CallError::Answer(ApiError::Refused { code, .. }) | CallError::NotMade(PauseReason::Refused(code)) => {
            match code {
                ErrorCode::Busy | ErrorCode::StaleToken | ErrorCode::MinuteQuota => OpenRefusal::WechatUnavailable,
                ErrorCode::DayQuota => OpenRefusal::Quota,
                _ => OpenRefusal::NotGranted,
            }
        }
    }
}
