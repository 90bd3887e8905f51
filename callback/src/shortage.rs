//! Why an account's pages get no QR codes, and what was said of it last.

use std::sync::{Mutex, PoisonError};

use scenecast_shared::scene::AccountName;

/// Why an account gives no QR codes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// WeChat says that today's are used up.
    DayQuota,
    /// Today's are used up by our own count.
    Budget,
    /// WeChat says that it has no right to them.
    Forbidden,
}

impl Why {
    /// Its word in metrics and logs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::DayQuota => "day_quota",
            Self::Budget => "budget",
            Self::Forbidden => "forbidden",
        }
    }
}

/// What an account's pages got last, so that a change is logged and not each page.
#[derive(Debug, Default)]
pub(crate) struct Given(Mutex<Option<Why>>);

impl Given {
    /// They get QR codes now, or don't for this reason.
    pub(crate) fn now(&self, account: &AccountName, why: Option<Why>) {
        // No code that holds the lock panics half-way through a change.
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), why);
        match why {
            Some(why) if before != Some(why) => {
                tracing::warn!(%account, why = why.word(), "pages get no QR codes, but what stands in for them");
            }
            None if before.is_some() => tracing::info!(%account, "pages get QR codes again"),
            _ => {}
        }
    }
}
