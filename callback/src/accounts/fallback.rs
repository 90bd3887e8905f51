//! Why an account's pages get no QR codes now, and what the log said about it last.

use parking_lot::Mutex;
use scenecast_scene::AccountName;
use scenecast_wechat::ErrorCode;
use strum::IntoStaticStr;

use crate::wechat::{CallError, PauseReason};

/// Why an account gives no QR codes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum FallbackReason {
    /// WeChat says that today's QR codes are used up.
    DayQuota,
    /// Today's QR codes are used up, by our own count.
    #[strum(serialize = "budget")]
    OwnCount,
    /// The page's address has had its share of today's QR codes.
    Address,
    /// WeChat says that the account has no right to QR codes.
    Forbidden,
    /// WeChat refuses QR codes, or the access token for them, for another reason.
    Refused,
    /// WeChat gives no answers for a while.
    Unanswered,
}

impl FallbackReason {
    /// Why pages get no QR codes after this error; `None` if a page that comes back soon may get one.
    pub(crate) fn of(error: &CallError) -> Option<Self> {
        match (error, error.code()) {
            (CallError::NotMade(PauseReason::Unanswered), _) => Some(Self::Unanswered),
            (_, None | Some(ErrorCode::Busy)) => None,
            (_, Some(ErrorCode::DayQuota)) => Some(Self::DayQuota),
            (_, Some(ErrorCode::Forbidden)) => Some(Self::Forbidden),
            (_, Some(_)) => Some(Self::Refused),
        }
    }

    /// Its word in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The reason that was logged last, so that the log says a change and not each page.
#[derive(Debug, Default)]
pub(crate) struct FallbackState(Mutex<Option<FallbackReason>>);

impl FallbackState {
    /// The account's pages get QR codes now (`None`), or something else for this reason.
    pub(crate) fn set(&self, account: &AccountName, reason: Option<FallbackReason>) {
        let before = std::mem::replace(&mut *self.0.lock(), reason);
        match reason {
            Some(reason) if before != Some(reason) => tracing::warn!(
                %account,
                why = reason.as_str(),
                "pages of this account get a mini program's code or a typed code, since it has no QR codes now"
            ),
            None if before.is_some() => tracing::info!(%account, "pages of this account get QR codes again"),
            _ => {}
        }
    }
}
