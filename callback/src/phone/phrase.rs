//! Everything that can be said to a phone, and our own words for it in each language.

use scenecast_scene::Language;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantArray};

use super::template::Placeholder;

/// Something that is said to a phone. An account may replace the words of each phrase in its `texts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phrase {
    /// The login is confirmed.
    LoggedIn,
    /// The same person logged in with this code before.
    AlreadyLoggedIn,
    /// Asks the person who scanned whether they want to log in.
    Confirm,
    /// Asks the person who scanned to pick the number that the page shows.
    PickNumber,
    /// The person said no.
    Declined,
    /// The person picked another number than the page shows.
    WrongNumber,
    /// Another person was first.
    Taken,
    /// The code has expired, or its page was closed.
    Expired,
    /// The QR code isn't ours, or it is too old to be known.
    QrUnknown,
    /// The typed text isn't a valid code, or the person typed too many wrong codes before.
    CodeUnknown,
    /// The person began to follow, without a login.
    Welcome,
    /// The person wrote something that is no answer. Nothing is said unless the account has words for it.
    AutoReply,
    /// Redis didn't say in time whether a scan logged the person in.
    ScanAgain,
    /// Redis didn't say in time what an answer or a typed code did.
    AnswerAgain,
}

impl Phrase {
    /// Its word in configuration, logs and metrics.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The placeholders that its words may have. Facts about the page are only for the person who logs in with it, not
    /// for others who scanned it too.
    pub(crate) fn placeholders(self) -> &'static [Placeholder] {
        use Placeholder::{Address, Browser, Choices, Confirm, Decline, Host, Logins, Name, Place, Site, Time};
        match self {
            Self::Confirm => &[Name, Site, Time, Host, Address, Place, Browser, Confirm, Decline],
            Self::PickNumber => &[Name, Site, Time, Host, Address, Place, Browser, Choices, Decline],
            Self::LoggedIn => &[Name, Site, Time, Host, Address, Place, Browser, Logins],
            _ => &[Name, Site, Time],
        }
    }

    /// Our own words for it; `None` where we say nothing. Each text has a line without placeholders.
    pub(crate) fn words(self, language: Language) -> Option<&'static str> {
        let (chinese, english) = match self {
            Self::LoggedIn => ("登录成功，请回到网页继续。", "You are logged in. Please go back to the page."),
            Self::AlreadyLoggedIn => ("您已用此码登录过了。", "You have already logged in with this code."),
            Self::Confirm => (
                "请确认登录：\n网站：{site}\n地点：{place}\nIP：{address}\n浏览器：{browser}\n时间：{time}\n\n\
                 {confirm}\n\n{decline}\n\n如果不是您本人在登录，请点“不是我”。也可以回复 1 确认，回复 0 拒绝。",
                "Please confirm this login:\nSite: {site}\nPlace: {place}\nIP address: {address}\nBrowser: {browser}\n\
                 Time: {time}\n\n{confirm}\n\n{decline}\n\nIf it isn't you who is logging in, touch “Decline”. \
                 You can also reply 1 for yes or 0 for no.",
            ),
            Self::PickNumber => (
                "请点选网页上显示的数字，以确认登录：\n网站：{site}\n地点：{place}\nIP：{address}\n浏览器：{browser}\n\
                 时间：{time}\n\n{choices}\n\n{decline}\n\n如果不是您本人在登录，请点“不是我”。也可以回复该数字，或回复 0 拒绝。",
                "To log in, pick the number that the page shows:\nSite: {site}\nPlace: {place}\nIP address: {address}\n\
                 Browser: {browser}\nTime: {time}\n\n{choices}\n\n{decline}\n\nIf it isn't you who is logging in, \
                 touch “Decline”. You can also reply the number, or 0 for no.",
            ),
            Self::Declined => ("已拒绝，网页不会登录。", "You said no. The page is not logged in."),
            Self::WrongNumber => (
                "数字与网页上显示的不一致，登录已取消。请刷新网页，重新扫码。",
                "The page shows another number. It is not logged in. Please get a new code on the page and scan that.",
            ),
            Self::Taken => (
                "此二维码已被他人使用。请刷新网页上的二维码，重新扫码。",
                "Somebody else was first with this code. Please get a new one on the page and scan that.",
            ),
            Self::Expired => {
                ("此码已过期。请刷新网页，重新获取。", "This code has expired. Please get a new one on the page.")
            }
            Self::QrUnknown => (
                "无法识别此二维码。请刷新网页上的二维码，重新扫码。",
                "This code is unknown. Please get a new one on the page and scan that.",
            ),
            Self::CodeUnknown => (
                "验证码有误或已过期。请刷新网页，稍后输入新的验证码。",
                "This code is wrong or has expired. Please get a new one on the page, and type that in a while.",
            ),
            Self::Welcome => ("欢迎关注！", "Welcome!"),
            Self::AutoReply => return None,
            Self::ScanAgain => ("登录没有完成，请重新扫码。", "The login did not go through. Please scan again."),
            Self::AnswerAgain => ("没有处理成功，请再回复一次。", "That did not go through. Please send it again."),
        };
        Some(match language {
            Language::Zh => chinese,
            Language::En => english,
        })
    }
}
