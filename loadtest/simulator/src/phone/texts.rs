//! The texts of the phone page, in English and Chinese.

use axum::http::{HeaderMap, header};

use crate::users::ActionError;

/// The texts of the page in one language.
pub(super) struct PhoneTexts {
    pub(super) lang: &'static str,
    pub(super) phone: &'static str,
    pub(super) scanned: &'static str,
    pub(super) who: &'static str,
    pub(super) follows: &'static str,
    pub(super) does_not_follow: &'static str,
    pub(super) does_not_follow_yet: &'static str,
    pub(super) scan: &'static str,
    pub(super) scanned_page: &'static str,
    pub(super) open: &'static str,
    pub(super) page: &'static str,
    pub(super) scene: &'static str,
    pub(super) deep_link: &'static str,
    pub(super) log_in: &'static str,
    pub(super) js_code: &'static str,
    pub(super) no_reply: &'static str,
    pub(super) notice: &'static str,
    pub(super) write: &'static str,
    pub(super) send: &'static str,
    pub(super) follow: &'static str,
    pub(super) unfollow: &'static str,
    pub(super) unfollowed: &'static str,
    unknown_code: &'static str,
    expired_code: &'static str,
    unknown_account: &'static str,
    wrong_account_kind: &'static str,
    not_following: &'static str,
    already_following: &'static str,
}

static ENGLISH: PhoneTexts = PhoneTexts {
    lang: "en",
    phone: "Simulated phone",
    scanned: "The QR code of this Official Account is in front of your camera.",
    who: "Who are you?",
    follows: "follows this account",
    does_not_follow: "will begin to follow",
    does_not_follow_yet: "does not follow this account",
    scan: "Scan",
    scanned_page: "The code of this mini program is in front of your camera.",
    open: "Open",
    page: "Page",
    scene: "Scene",
    deep_link: "Link to this page",
    log_in: "Log in (wx.login)",
    js_code: "Code, good once and for five minutes",
    no_reply: "The account does not reply.",
    notice: NOTICE,
    write: "Message",
    send: "Send",
    follow: "Follow",
    unfollow: "Unfollow",
    unfollowed: "You no longer follow this account.",
    unknown_code: "WeChat does not know this QR code.",
    expired_code: "This QR code has expired. Ask the page for a new one.",
    unknown_account: "There is no such account.",
    wrong_account_kind: "This kind of account does not support this action.",
    not_following: "You do not follow this account.",
    already_following: "You follow this account already.",
};

static CHINESE: PhoneTexts = PhoneTexts {
    lang: "zh-CN",
    phone: "模拟手机",
    scanned: "摄像头已对准该公众号的二维码。",
    who: "你是谁？",
    follows: "已关注该公众号",
    does_not_follow: "扫码后关注",
    does_not_follow_yet: "未关注该公众号",
    scan: "扫一扫",
    scanned_page: "摄像头已对准该小程序的小程序码。",
    open: "打开",
    page: "页面",
    scene: "场景值",
    deep_link: "此页面的链接",
    log_in: "登录 (wx.login)",
    js_code: "登录凭证（一次有效，五分钟内）",
    no_reply: "公众号没有回复。",
    notice: NOTICE,
    write: "消息",
    send: "发送",
    follow: "关注",
    unfollow: "取消关注",
    unfollowed: "你已取消关注该公众号。",
    unknown_code: "微信不认识这个二维码。",
    expired_code: "二维码已过期，请在网页上重新获取。",
    unknown_account: "没有这个公众号。",
    wrong_account_kind: "这种账号没有此功能。",
    not_following: "你尚未关注该公众号。",
    already_following: "你已关注该公众号。",
};

/// WeChat shows its notice in Chinese on every phone.
const NOTICE: &str = "该公众号暂时无法提供服务，请稍后再试";

impl PhoneTexts {
    /// The texts in the first of the browser's languages that is available; otherwise in English.
    pub(super) fn for_request(headers: &HeaderMap) -> &'static Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let ours = accepted.split(',').find_map(|tag| match tag.trim().get(..2) {
            Some("zh") => Some(&CHINESE),
            Some("en") => Some(&ENGLISH),
            _ => None,
        });
        ours.unwrap_or(&ENGLISH)
    }

    pub(super) fn refusal(&self, error: ActionError) -> &'static str {
        match error {
            ActionError::UnknownCode => self.unknown_code,
            ActionError::ExpiredCode => self.expired_code,
            ActionError::UnknownAccount => self.unknown_account,
            ActionError::WrongAccountKind => self.wrong_account_kind,
            ActionError::NotFollowing => self.not_following,
            ActionError::AlreadyFollowing => self.already_following,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_available_language_is_used() {
        for (accepted, lang) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
            ("en-GB,zh;q=0.5", "en"),
            ("fr, zh-TW;q=0.5", "zh-CN"),
            ("fr", "en"),
            ("", "en"),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, accepted.parse().unwrap())]);
            assert_eq!(PhoneTexts::for_request(&headers).lang, lang, "{accepted}");
        }
        assert_eq!(PhoneTexts::for_request(&HeaderMap::new()).lang, "en");
    }
}
