//! The phone page's words, in English and Chinese.

use axum::http::{HeaderMap, header};

use crate::simulator::CannotDo;

/// What the page says in one language.
pub(crate) struct Words {
    pub(crate) lang: &'static str,
    pub(crate) phone: &'static str,
    pub(crate) scanned: &'static str,
    pub(crate) who: &'static str,
    pub(crate) follows: &'static str,
    pub(crate) does_not_follow: &'static str,
    pub(crate) does_not_follow_yet: &'static str,
    pub(crate) scan: &'static str,
    pub(crate) scanned_page: &'static str,
    pub(crate) open: &'static str,
    pub(crate) page: &'static str,
    pub(crate) scene: &'static str,
    pub(crate) deep_link: &'static str,
    pub(crate) log_in: &'static str,
    pub(crate) js_code: &'static str,
    pub(crate) silence: &'static str,
    pub(crate) notice: &'static str,
    pub(crate) write: &'static str,
    pub(crate) send: &'static str,
    pub(crate) follow: &'static str,
    pub(crate) unfollow: &'static str,
    pub(crate) left: &'static str,
    unknown_code: &'static str,
    expired_code: &'static str,
    unknown_account: &'static str,
    other_kind: &'static str,
    not_following: &'static str,
    following: &'static str,
}

static ENGLISH: Words = Words {
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
    silence: "The account says nothing.",
    notice: NOTICE,
    write: "Message",
    send: "Send",
    follow: "Follow",
    unfollow: "Unfollow",
    left: "You no longer follow this account.",
    unknown_code: "WeChat does not know this QR code.",
    expired_code: "This QR code has expired. Ask the page for a new one.",
    unknown_account: "There is no such account.",
    other_kind: "That is not done with this kind of account.",
    not_following: "You do not follow this account.",
    following: "You follow this account already.",
};

static CHINESE: Words = Words {
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
    silence: "公众号没有回复。",
    notice: NOTICE,
    write: "消息",
    send: "发送",
    follow: "关注",
    unfollow: "取消关注",
    left: "你已取消关注该公众号。",
    unknown_code: "微信不认识这个二维码。",
    expired_code: "二维码已过期，请在网页上重新获取。",
    unknown_account: "没有这个公众号。",
    other_kind: "这种账号没有此功能。",
    not_following: "你尚未关注该公众号。",
    following: "你已关注该公众号。",
};

/// WeChat's own words, in whatever language the phone is.
const NOTICE: &str = "该公众号暂时无法提供服务，请稍后再试";

impl Words {
    /// In the browser's language: the first of its list that is one of ours.
    pub(crate) fn of(headers: &HeaderMap) -> &'static Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let ours = accepted.split(',').find_map(|tag| match tag.trim().get(..2) {
            Some("zh") => Some(&CHINESE),
            Some("en") => Some(&ENGLISH),
            _ => None,
        });
        ours.unwrap_or(&ENGLISH)
    }

    pub(crate) fn cannot(&self, why: CannotDo) -> &'static str {
        match why {
            CannotDo::UnknownCode => self.unknown_code,
            CannotDo::ExpiredCode => self.expired_code,
            CannotDo::UnknownAccount => self.unknown_account,
            CannotDo::OtherKind => self.other_kind,
            CannotDo::NotFollowing => self.not_following,
            CannotDo::Following => self.following,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_that_is_ours_is_spoken() {
        for (accepted, lang) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
            ("en-GB,zh;q=0.5", "en"),
            ("fr, zh-TW;q=0.5", "zh-CN"),
            ("fr", "en"),
            ("", "en"),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, accepted.parse().unwrap())]);
            assert_eq!(Words::of(&headers).lang, lang, "{accepted}");
        }
        assert_eq!(Words::of(&HeaderMap::new()).lang, "en");
    }
}
