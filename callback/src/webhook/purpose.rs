//! What a message is for. No I/O.

use scenecast_shared::{
    scene::SceneId,
    store::Code,
    wechat::{Kind, Message},
};

use crate::{menu::Answer, phrase::Phrase};

/// What a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// They scanned a page's QR code; who didn't follow before does now.
    Scan(SceneId),
    /// They scanned what may be a page's code, which a QR code spared them the typing of.
    ScanCode(Code),
    /// They typed a page's code.
    Code(Code),
    /// They answer whether it is they who log in.
    Answer {
        /// What they say.
        answer: Answer,
        /// The scene, where a link says it; otherwise it is the one that they are asked about.
        about: Option<SceneId>,
    },
    /// They began to follow, without a login.
    Follow,
    /// They don't follow any more.
    Unfollow,
    /// They sent something else.
    Write,
    /// Something happened that we don't act upon.
    Event,
}

impl Purpose {
    /// A code that doesn't say a scene is one of the account's others, and no login; so is a link that
    /// isn't about a scene no answer.
    pub(super) fn of(message: &Message) -> Self {
        let scanned = message.scanned().and_then(Self::of_qr_code);
        match (&message.kind, scanned) {
            (_, Some(scan)) => scan,
            (Kind::Text(text), None) => Self::of_text(text, message.menu_id.as_deref()),
            (Kind::Subscribe(_), None) => Self::Follow,
            (Kind::Unsubscribe, None) => Self::Unfollow,
            (Kind::Other(_), None) => Self::Write,
            (Kind::Scan(_) | Kind::Event(_), None) => Self::Event,
        }
    }

    fn of_qr_code(says: &str) -> Option<Self> {
        let scene = || says.parse().ok().map(Self::Scan);
        // An account's other codes may have spaces, and people don't type this one.
        let is_plain = says.bytes().all(|b| b.is_ascii_digit());
        scene().or_else(|| says.parse().ok().filter(|_| is_plain).map(Self::ScanCode))
    }

    fn of_text(text: &str, menu_id: Option<&str>) -> Self {
        match (Answer::read(text), menu_id.map(str::parse)) {
            (Some(answer), None) => Self::Answer { answer, about: None },
            (Some(answer), Some(Ok(scene))) => Self::Answer { answer, about: Some(scene) },
            (None, None) => text.parse().map_or(Self::Write, Self::Code),
            _ => Self::Write,
        }
    }

    /// What is said, if anything, where it couldn't be done in time and WeChat won't deliver it again.
    pub(super) fn at_last(&self) -> Option<Phrase> {
        match self {
            Self::Scan(_) => Some(Phrase::ScanAgain),
            Self::Code(_) | Self::Answer { .. } => Some(Phrase::AnswerAgain),
            Self::Follow => Some(Phrase::Welcome),
            // It may as well be one of the account's other codes.
            Self::ScanCode(_) | Self::Unfollow | Self::Write | Self::Event => None,
        }
    }

    /// Its word in traces.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Scan(_) => "scan",
            Self::ScanCode(_) => "scan_code",
            Self::Code(_) => "code",
            Self::Answer { .. } => "answer",
            Self::Follow => "follow",
            Self::Unfollow => "unfollow",
            Self::Write => "write",
            Self::Event => "event",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn purpose(rest: &str) -> Purpose {
        let body = format!(
            "<xml><ToUserName>gh_1</ToUserName><FromUserName>oAnn</FromUserName><CreateTime>1</CreateTime>{rest}</xml>"
        );
        Purpose::of(&Message::parse(body.as_bytes()).unwrap())
    }

    fn event(event: &str, key: &str) -> Purpose {
        purpose(&format!("<MsgType>event</MsgType><Event>{event}</Event><EventKey>{key}</EventKey>"))
    }

    fn text(content: &str, menu_id: &str) -> Purpose {
        purpose(&format!(
            "<MsgType>text</MsgType><Content>{content}</Content><MsgId>1</MsgId><bizmsgmenuid>{menu_id}</bizmsgmenuid>"
        ))
    }

    #[test]
    fn only_a_code_that_says_a_scene_is_a_login() {
        let scan = Purpose::Scan(SCENE.parse().unwrap());
        assert_eq!(event("SCAN", SCENE), scan);
        assert_eq!(event("subscribe", &format!("qrscene_{SCENE}")), scan);
        for key in ["", "qrscene_", "qrscene_a-poster", "last_trade_no_4", "scanbarcode|6901", "scanimage|7", SCENE] {
            assert_eq!(event("subscribe", key), Purpose::Follow, "{key}");
        }
        for key in ["", "123", "a-poster", "scanbarcode|6901"] {
            assert_eq!(event("SCAN", key), Purpose::Event, "{key}");
        }
        let code = Purpose::ScanCode("12345678".parse().unwrap());
        assert_eq!((event("SCAN", "12345678"), event("subscribe", "qrscene_12345678")), (code.clone(), code));
        assert_eq!(event("SCAN", "1234 5678"), Purpose::Event);
        assert_eq!(event("CLICK", SCENE), Purpose::Event);
        assert_eq!(event("unsubscribe", SCENE), Purpose::Unfollow);
    }

    #[test]
    fn a_text_is_an_answer_a_code_or_neither() {
        let scene: SceneId = SCENE.parse().unwrap();
        assert_eq!(text("是", ""), Purpose::Answer { answer: Answer::Yes, about: None });
        assert_eq!(text("不是我", SCENE), Purpose::Answer { answer: Answer::No, about: Some(scene) });
        assert_eq!(text("1234 5678", ""), Purpose::Code("12345678".parse().unwrap()));
        for (content, menu_id) in [("你好", ""), ("是", "their-menu"), ("12345678", SCENE), ("你好", SCENE), ("", "")]
        {
            assert_eq!(text(content, menu_id), Purpose::Write, "{content} {menu_id}");
        }
        assert_eq!(purpose("<MsgType>image</MsgType><MsgId>1</MsgId>"), Purpose::Write);
    }

    #[test]
    fn any_text_is_an_answer_a_code_or_neither_and_any_code_a_login_or_not() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let says = String::from_utf8_lossy(bytes);
            let typed = Purpose::of_text(&says, None);
            assert!(
                matches!(typed, Purpose::Answer { about: None, .. } | Purpose::Code(_) | Purpose::Write),
                "{typed:?}"
            );
            let touched = Purpose::of_text("1", Some(&says));
            assert!(matches!(touched, Purpose::Answer { about: Some(_), .. } | Purpose::Write), "{touched:?}");
            let scanned = Purpose::of_qr_code(&says);
            assert!(matches!(scanned, Some(Purpose::Scan(_) | Purpose::ScanCode(_)) | None), "{scanned:?}");
        });
    }
}
