//! What a phone is told, and in which language.

use scenecast_shared::scene::Language;
use serde::Deserialize;

/// Something that is said to a phone. Each can be reworded in the account's `texts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phrase {
    /// The scan was the login.
    LoggedIn,
    /// The same person logged in with this code before.
    AlreadyLoggedIn,
    /// Somebody else was first.
    Taken,
    /// The code's time is over, or its page gave it up.
    Expired,
    /// The code isn't one of ours, or was forgotten.
    UnknownCode,
    /// Began to follow, without a login.
    Welcome,
    /// It couldn't be decided in time.
    ScanAgain,
}

impl Phrase {
    /// Its word in configuration, logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::LoggedIn => "logged_in",
            Self::AlreadyLoggedIn => "already_logged_in",
            Self::Taken => "taken",
            Self::Expired => "expired",
            Self::UnknownCode => "unknown_code",
            Self::Welcome => "welcome",
            Self::ScanAgain => "scan_again",
        }
    }

    /// Our own words for it.
    pub(crate) fn words(self, language: Language) -> &'static str {
        let (chinese, english) = match self {
            Self::LoggedIn => ("登录成功，请回到网页继续。", "You are logged in. Please go back to the page."),
            Self::AlreadyLoggedIn => ("您已用此二维码登录过了。", "You have already logged in with this code."),
            Self::Taken => (
                "此二维码已被他人使用。请刷新网页上的二维码，重新扫码。",
                "Somebody else was first with this code. Please get a new one on the page and scan that.",
            ),
            Self::Expired => (
                "二维码已过期。请刷新网页上的二维码，重新扫码。",
                "This code has expired. Please get a new one on the page and scan that.",
            ),
            Self::UnknownCode => (
                "无法识别此二维码。请刷新网页上的二维码，重新扫码。",
                "This code is unknown. Please get a new one on the page and scan that.",
            ),
            Self::Welcome => ("欢迎关注！", "Welcome!"),
            Self::ScanAgain => ("登录没有完成，请重新扫码。", "The login did not go through. Please scan again."),
        };
        match language {
            Language::Zh => chinese,
            Language::En => english,
        }
    }
}
