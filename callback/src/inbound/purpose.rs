//! What a message is for. No I/O.

use scenecast_scene::SceneId;
use scenecast_wechat::{Message, MessageKind};
use strum::IntoStaticStr;

use crate::{
    phone::{LoginAnswer, Phrase},
    stores::TypedCode,
};

#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Purpose {
    /// The person scanned a page's QR code. A person who didn't follow before does now.
    Scan(SceneId),
    /// The person scanned a QR code with a number, which may be a page's typed code.
    ScanCode(TypedCode),
    /// The person typed a page's code.
    Code(TypedCode),
    /// The person answers whether they want to log in.
    Answer {
        answer: LoginAnswer,
        /// The scene of the link that the person touched. A typed answer has none: it is about the last question.
        scene: Option<SceneId>,
    },
    /// The person began to follow, without a login.
    Follow,
    /// The person doesn't follow any more.
    Unfollow,
    /// The person sent something else.
    Write,
    /// An event that we don't act upon.
    Event,
}

impl Purpose {
    /// The purpose of this message. A QR code without a scene is another code of the account, and no login. A link
    /// without a scene is another link of the account, and no answer.
    ///
    /// See docs/decisions/017-a-code-without-a-scene-is-no-login.md.
    pub(super) fn of(message: &Message) -> Self {
        let scanned = message.scene_string().and_then(Self::of_qr_code);
        match (&message.kind, scanned) {
            (_, Some(scan)) => scan,
            (MessageKind::Text(text), None) => Self::of_text(text, message.menu_id.as_deref()),
            (MessageKind::Subscribe(_), None) => Self::Follow,
            (MessageKind::Unsubscribe, None) => Self::Unfollow,
            (MessageKind::Other(_), None) => Self::Write,
            (MessageKind::Scan(_) | MessageKind::Event(_), None) => Self::Event,
        }
    }

    fn of_qr_code(content: &str) -> Option<Self> {
        if let Ok(scene) = content.parse() {
            return Some(Self::Scan(scene));
        }
        // A typed code may have spaces, but a page's QR code has none: with spaces it is another code of the account.
        let is_plain = content.bytes().all(|b| b.is_ascii_digit());
        content.parse().ok().filter(|_| is_plain).map(Self::ScanCode)
    }

    fn of_text(text: &str, menu_id: Option<&str>) -> Self {
        match (LoginAnswer::read(text), menu_id.map(str::parse)) {
            (Some(answer), None) => Self::Answer { answer, scene: None },
            (Some(answer), Some(Ok(scene))) => Self::Answer { answer, scene: Some(scene) },
            (None, None) => text.parse().map_or(Self::Write, Self::Code),
            _ => Self::Write,
        }
    }

    /// What the last attempt says if what the message asks for couldn't be done in time; `None` if it only
    /// acknowledges.
    pub(super) fn last_phrase(&self) -> Option<Phrase> {
        match self {
            Self::Scan(_) => Some(Phrase::ScanAgain),
            Self::Code(_) | Self::Answer { .. } => Some(Phrase::AnswerAgain),
            Self::Follow => Some(Phrase::Welcome),
            // A scanned code may also be another code of the account.
            Self::ScanCode(_) | Self::Unfollow | Self::Write | Self::Event => None,
        }
    }

    /// Its word in traces and logs.
    pub(super) fn as_str(&self) -> &'static str {
        self.into()
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
    fn only_a_qr_code_with_a_scene_is_a_login() {
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
        assert_eq!(text("是", ""), Purpose::Answer { answer: LoginAnswer::Yes, scene: None });
        assert_eq!(text("不是我", SCENE), Purpose::Answer { answer: LoginAnswer::No, scene: Some(scene) });
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
                matches!(typed, Purpose::Answer { scene: None, .. } | Purpose::Code(_) | Purpose::Write),
                "{typed:?}"
            );
            let touched = Purpose::of_text("1", Some(&says));
            assert!(matches!(touched, Purpose::Answer { scene: Some(_), .. } | Purpose::Write), "{touched:?}");
            let scanned = Purpose::of_qr_code(&says);
            assert!(matches!(scanned, Some(Purpose::Scan(_) | Purpose::ScanCode(_)) | None), "{scanned:?}");
        });
    }
}
