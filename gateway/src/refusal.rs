//! Why a page doesn't get its scene: a code, a detail and a retry delay. The transports turn it into an HTTP
//! status or a close code.
//!
//! Errors of the bus and answers of the callback become a refusal here. Both ways write the line in the log, so
//! that no failure is without one.

use std::time::Duration;

use scenecast_bus::BusError;
use scenecast_scene::{SceneId, internal};
use strum::IntoStaticStr;

/// How soon a page may retry when the bus gives no answer.
const BUS_RETRY: Duration = Duration::from_secs(2);
/// How soon a page may retry when no callback gives an answer.
const CALLBACK_RETRY: Duration = Duration::from_secs(2);
/// How soon a page may retry that had to wait too long for its turn: as soon as one for which there is no room.
const CROWDED_RETRY: Duration = Duration::from_secs(5);
/// How soon a page may retry when WeChat gives no answer.
const WECHAT_RETRY: Duration = Duration::from_secs(3);
/// How soon a page may retry when the account's QR codes of today are used up.
const QUOTA_RETRY: Duration = Duration::from_secs(600);

/// Why a page can't open a scene, or can't get the events of one. As text, the `code` that programs look at.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum PageRefusal {
    /// The page sent something that isn't of the expected form.
    BadRequest(&'static str),
    /// This deployment didn't issue the key.
    KeyInvalid,
    /// The scene's life is over.
    SceneExpired,
    /// The page's address opens more scenes than the limit allows.
    TooManyScenes { retry_after: Duration },
    /// There is no such account.
    AccountUnknown,
    /// No callback gave an answer that the gateway understands.
    CallbackUnavailable(&'static str),
    /// More pages open scenes than callbacks can open in time.
    Crowded,
    /// WeChat gives this account no more QR codes today.
    WechatQuota,
    /// WeChat gives this account no code, or one that can't be shown.
    WechatRefused(&'static str),
    /// WeChat gives no answer now.
    WechatUnavailable,
    /// The bus gives no answer now.
    BusUnavailable,
    /// The scene is stored in a form that this version can't read.
    SceneMalformed,
}

impl PageRefusal {
    /// The codes that a page may get which asks for a new scene.
    pub(crate) const CODES_OF_OPENS: [&str; 8] = [
        "too_many_scenes",
        "account_unknown",
        "callback_unavailable",
        "crowded",
        "wechat_quota",
        "wechat_refused",
        "wechat_unavailable",
        "bus_unavailable",
    ];

    /// What programs look at. It never changes its meaning.
    pub(crate) fn code(&self) -> &'static str {
        self.into()
    }

    /// What people read. It contains nothing that the page sent.
    pub(crate) fn detail(&self) -> &'static str {
        match self {
            Self::BadRequest(detail) | Self::CallbackUnavailable(detail) | Self::WechatRefused(detail) => detail,
            Self::KeyInvalid => "this key was not issued here",
            Self::SceneExpired => "this scene's time is over",
            Self::TooManyScenes { .. } => "this address opens too many scenes",
            Self::AccountUnknown => "there is no such account here",
            Self::Crowded => "this server has no room left",
            Self::WechatQuota => "this account's QR codes of today are used up",
            Self::WechatUnavailable => "WeChat makes no QR code right now",
            Self::BusUnavailable => "scenes can't be reached right now",
            Self::SceneMalformed => "this scene can't be read",
        }
    }

    /// When the page may retry; none where the same request would be refused again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyScenes { retry_after } => Some(*retry_after),
            Self::CallbackUnavailable(_) => Some(CALLBACK_RETRY),
            Self::Crowded => Some(CROWDED_RETRY),
            Self::WechatQuota => Some(QUOTA_RETRY),
            Self::WechatUnavailable => Some(WECHAT_RETRY),
            Self::BusUnavailable => Some(BUS_RETRY),
            Self::BadRequest(_)
            | Self::KeyInvalid
            | Self::SceneExpired
            | Self::AccountUnknown
            | Self::WechatRefused(_)
            | Self::SceneMalformed => None,
        }
    }

    /// The refusal for an error of the bus about this scene, which goes to the log.
    pub(crate) fn for_bus_error(scene: SceneId, error: &BusError) -> Self {
        match error {
            BusError::Undecided(_) | BusError::TimedOut => {
                tracing::warn!(%scene, %error, "no result from Redis about a scene; the client is told to come back in 2 s");
                Self::BusUnavailable
            }
            BusError::Malformed { .. } => {
                tracing::error!(
                    %scene, %error,
                    "a scene in Redis has a form that this version can't read; does other software write wx:*, or is a newer \
                     version running?"
                );
                Self::SceneMalformed
            }
        }
    }

    /// The refusal for a callback's answer with this status and code. Where the code isn't meant for pages, it
    /// goes to the log.
    pub(crate) fn for_callback_answer(status: u16, code: &str) -> Self {
        match internal::OpenRefusal::from_code(code) {
            Some(internal::OpenRefusal::AccountUnknown) => Self::AccountUnknown,
            Some(internal::OpenRefusal::Quota) => Self::WechatQuota,
            Some(internal::OpenRefusal::NotGranted) => Self::WechatRefused("WeChat makes no QR code for this account"),
            Some(internal::OpenRefusal::WechatUnavailable) => Self::WechatUnavailable,
            Some(internal::OpenRefusal::BusUnavailable) => Self::BusUnavailable,
            None => {
                tracing::error!(
                    status,
                    code,
                    to_do = advice(status, code),
                    "what answers at callback.url did not do what the gateway asked of a callback"
                );
                Self::CallbackUnavailable("the callback refused")
            }
        }
    }

    /// The refusal for an answer that says that a scene was opened, in a form that this version can't read. It goes to the
    /// log, without what is in it.
    pub(crate) fn for_unreadable_answer(answer: &[u8]) -> Self {
        tracing::error!(
            bytes = answer.len(),
            to_do = advice_on_unreadable(answer),
            "what answers at callback.url said yes in a form that this gateway can't read"
        );
        Self::CallbackUnavailable("the callback's answer can't be read")
    }
}

const SOMETHING_ELSE: &str = "callback.url leads to something else than a callback, or to a proxy that answers in its \
                              place; it has to be listen.internal of the callbacks, such as http://callback:8082";

/// What an operator has to do after an answer that this gateway can't read. A callback's is never empty.
fn advice_on_unreadable(answer: &[u8]) -> &'static str {
    if answer.is_empty() {
        return SOMETHING_ELSE;
    }
    "during a deploy, a callback of another version may answer so: see that gateways and callbacks become the same version; \
     otherwise callback.url leads to something else than a callback: it has to be listen.internal of the callbacks, such \
     as http://callback:8082"
}

/// What an operator has to do after an answer that isn't meant for pages. `code` is empty if the answer isn't one of
/// Scenecast.
fn advice(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (_, "signature_invalid") => "give gateways and callbacks the same internal_secret, and let their clocks agree",
        (404 | 405, "not_found" | "method_not_allowed") => {
            "callback.url leads to another listener of Scenecast; it has to be listen.internal of the callbacks, such as \
             http://callback:8082"
        }
        (300..=399, "") => {
            "callback.url is redirected, and redirects are not followed; give the address of the callbacks' internal \
             listener itself, with its scheme and port"
        }
        (502..=504, "") => {
            "callback.url leads to a proxy that reaches no callback; see whether callbacks run, and what its log says"
        }
        (_, "") => SOMETHING_ELSE,
        _ => "see the callbacks' log; during a deploy, a callback of another version may answer so",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callbacks_refusal_keeps_its_code_for_the_page() {
        for code in ["account_unknown", "wechat_quota", "wechat_refused", "wechat_unavailable", "bus_unavailable"] {
            assert_eq!(PageRefusal::for_callback_answer(503, code).code(), code);
        }
        for code in ["", "unauthorized", "Account_unknown"] {
            assert_eq!(PageRefusal::for_callback_answer(401, code).code(), "callback_unavailable", "{code}");
        }
    }

    #[test]
    fn an_open_is_refused_with_these_codes() {
        let of_opens = [
            PageRefusal::TooManyScenes { retry_after: BUS_RETRY },
            PageRefusal::AccountUnknown,
            PageRefusal::CallbackUnavailable(""),
            PageRefusal::Crowded,
            PageRefusal::WechatQuota,
            PageRefusal::WechatRefused(""),
            PageRefusal::WechatUnavailable,
            PageRefusal::BusUnavailable,
        ];
        assert_eq!(of_opens.map(|refusal| refusal.code()), PageRefusal::CODES_OF_OPENS);
    }

    #[test]
    fn an_answer_of_something_else_says_what_is_wrong_with_the_address() {
        for (status, code, said) in [
            (401, "signature_invalid", "the same internal_secret"),
            (404, "not_found", "another listener of Scenecast"),
            (405, "method_not_allowed", "another listener of Scenecast"),
            (301, "", "is redirected"),
            (308, "", "is redirected"),
            (502, "", "a proxy that reaches no callback"),
            (504, "", "a proxy that reaches no callback"),
            (200, "", "something else than a callback"),
            (401, "", "something else than a callback"),
            (404, "", "something else than a callback"),
            (400, "bad_request", "the callbacks' log"),
        ] {
            assert!(advice(status, code).contains(said), "{status} {code}");
        }
    }
}
