//! What a page shows for its phone to find the scene by: the best that its account can give now.
//!
//! An Official Account gives QR codes. Where it has no right to them, or none left today, its pages get
//! the codes of a mini program that stands in for it, or else codes to be typed, by themselves; and QR
//! codes again once it has them.

use std::time::Duration;

use scenecast_shared::{
    internal::{Handle, Opened, Refused},
    scene::{AccountName, SceneId},
    serve::Problem,
    store::Spent,
    wechat::{ApiError, Code},
};

use crate::{
    accounts::{Account, Accounts, MiniProgram},
    app::App,
    shortage::Why,
    wechat::{CallError, QR_CODE},
};

/// Why there is no QR code.
enum NoQr {
    /// There is something else to show.
    Instead(Why),
    /// The page has to come back.
    Refused(Refused),
}

/// Makes what the page of this scene shows.
pub(crate) async fn make(
    app: &App,
    account: &AccountName,
    scene: SceneId,
    life: Duration,
    wanted: Handle,
) -> Result<Opened, Problem> {
    let accounts = app.accounts();
    let made = match (accounts.official(account), accounts.mini_program(account), wanted) {
        (Some(account), _, Handle::Any) => best(app, &accounts, account, scene, life).await?,
        (Some(account), _, Handle::Typed) => typed(app, account, scene, life).await?,
        (None, Some(mini_program), Handle::Any) => code(mini_program, scene).await.map_err(|error| {
            tracing::warn!(%account, %scene, %error, "could not make a mini program's code");
            refused(&error).problem()
        })?,
        (None, Some(_), Handle::Typed) => return Err(Problem::bad_request("nobody can type to a mini program")),
        (None, None, _) => return Err(Refused::AccountUnknown.problem()),
    };
    let kind = match made {
        Opened::Qr { .. } => "qr",
        Opened::MiniProgram { .. } => "mini_program",
        Opened::Typed { .. } => "typed",
    };
    app.counts.handles.with_label_values(&[account.as_str(), kind]).inc();
    Ok(made)
}

async fn best(
    app: &App,
    accounts: &Accounts,
    account: &Account,
    scene: SceneId,
    life: Duration,
) -> Result<Opened, Problem> {
    let why = match qr(app, account, scene, life).await {
        Ok(qr) => {
            account.given.now(&account.name, None);
            return Ok(qr);
        }
        Err(NoQr::Refused(refused)) => return Err(refused.problem()),
        Err(NoQr::Instead(why)) => why,
    };
    account.given.now(&account.name, Some(why));
    app.counts.fallbacks.with_label_values(&[account.name.as_str(), why.word()]).inc();
    let stand_in = account.settings.fallback_mini_program.as_ref().and_then(|name| accounts.mini_program(name));
    if let Some(mini_program) = stand_in {
        match code(mini_program, scene).await {
            Ok(code) => return Ok(code),
            Err(error) => {
                tracing::warn!(account = %mini_program.name, %scene, %error, "could not make a mini program's code");
            }
        }
    }
    typed(app, account, scene, life).await
}

async fn qr(app: &App, account: &Account, scene: SceneId, life: Duration) -> Result<Opened, NoQr> {
    let no_qr = |error: &CallError| match error.code() {
        Some(Code::DayQuota) => NoQr::Instead(Why::DayQuota),
        Some(Code::Forbidden) => NoQr::Instead(Why::Forbidden),
        _ => {
            tracing::warn!(account = %account.name, %scene, %error, "could not make a QR code");
            NoQr::Refused(refused(error))
        }
    };
    // Before the budget: what isn't asked for isn't spent.
    account.api.gives_qr_codes().map_err(|error| no_qr(&error))?;
    let now = app.clock.now();
    let spent = app.qr_budget.spend(&account.name, now).await.map_err(|_| NoQr::Refused(Refused::BusUnavailable))?;
    let left = match spent {
        Spent::Calls(calls) => i128::from(account.settings.qr_quota) - i128::from(calls),
        Spent::UsedUp => -1,
    };
    let labels = [account.name.as_str(), QR_CODE];
    app.counts.quota.with_label_values(&labels).set(i64::try_from(account.settings.qr_quota).unwrap_or(i64::MAX));
    let quota_left = app.counts.quota_left.with_label_values(&labels);
    quota_left.set(i64::try_from(left.max(0)).unwrap_or(i64::MAX));
    if left < 0 {
        return Err(NoQr::Instead(if spent == Spent::UsedUp { Why::DayQuota } else { Why::Budget }));
    }
    match account.api.qr_code(scene, life).await {
        Ok(code) => Ok(Opened::Qr { picture: app.picture_of(&code.ticket), url: code.url, ticket: code.ticket }),
        Err(error) => {
            if error.code() == Some(Code::DayQuota) {
                // WeChat counts what others make for this account, too.
                quota_left.set(0);
                if let Err(error) = app.qr_budget.use_up(&account.name, now).await {
                    tracing::warn!(account = %account.name, %error, "the other pods have to find out by themselves");
                }
            }
            Err(no_qr(&error))
        }
    }
}

async fn code(mini_program: &MiniProgram, scene: SceneId) -> Result<Opened, CallError> {
    let picture = mini_program.api.code(scene, &mini_program.settings).await?;
    Ok(Opened::MiniProgram { image: picture.data_url() })
}

async fn typed(app: &App, account: &Account, scene: SceneId, life: Duration) -> Result<Opened, Problem> {
    let code = app.codes.issue(&account.name, scene, life).await.map_err(|error| {
        tracing::warn!(account = %account.name, %scene, %error, "could not issue a code to be typed");
        Refused::BusUnavailable.problem()
    })?;
    Ok(Opened::Typed { code: code.to_string() })
}

/// What a gateway can tell its page of WeChat's refusal. What WeChat said is for our log.
fn refused(error: &CallError) -> Refused {
    match error {
        CallError::TooSlow
        | CallError::Unreachable(_)
        | CallError::NoOtherToken
        | CallError::Answer(ApiError::Nonsense(_)) => Refused::WechatUnavailable,
        CallError::Answer(ApiError::Refused { code, .. }) | CallError::NotMade(code) => match code {
            Code::Busy | Code::StaleToken | Code::MinuteQuota => Refused::WechatUnavailable,
            Code::DayQuota => Refused::Quota,
            _ => Refused::NotGranted,
        },
    }
}
