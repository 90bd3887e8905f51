//! The XML of a message.
//!
//! Source: "Receiving event pushes" and "Receiving standard messages" of developers.weixin.qq.com.

use scenecast_scene::OpenId;

use crate::{faults::OddTexts, users::PhoneAction};

/// A user's action, as the account is told of it.
#[derive(Debug)]
pub(crate) struct DeliveryMessage {
    pub(crate) from: OpenId,
    /// When it happened, in unix seconds.
    pub(crate) created: u64,
    /// Unique. Events don't contain it.
    pub(crate) id: u64,
    pub(crate) content: MessageContent,
}

#[derive(Debug)]
pub(crate) enum MessageContent {
    /// The user began to follow by scanning a code with a scene.
    SubscribeByCode { scene: String, ticket: String },
    /// A follower scanned a code with a scene.
    Scan { scene: String, ticket: String },
    /// The user did something else.
    Action(PhoneAction),
}

impl DeliveryMessage {
    /// The elements of the document, with what is wrong with WeChat's texts now.
    pub(crate) fn elements_with(&self, to: &str, odd_texts: Option<OddTexts>) -> Vec<u8> {
        let elements = self.elements(to);
        match odd_texts {
            None => elements.into_bytes(),
            Some(OddTexts::Unescaped) => elements.replace(SPLIT_END, END).into_bytes(),
            Some(OddTexts::CutInsideCharacter) => {
                let last = elements.char_indices().rfind(|(_, character)| !character.is_ascii());
                let mut bytes = elements.into_bytes();
                if let Some((start, _)) = last {
                    bytes.remove(start + 1);
                }
                bytes
            }
        }
    }

    /// The elements of the document, with CDATA and line breaks where WeChat has them.
    pub(crate) fn elements(&self, to: &str) -> String {
        format!(
            "{}{}<CreateTime>{}</CreateTime>\n{}",
            element("ToUserName", to),
            element("FromUserName", self.from.as_str()),
            self.created,
            self.content_elements(),
        )
    }

    fn content_elements(&self) -> String {
        match &self.content {
            MessageContent::SubscribeByCode { scene, ticket } => {
                event("subscribe", &format!("{}{}", key(&format!("qrscene_{scene}")), element("Ticket", ticket)))
            }
            MessageContent::Scan { scene, ticket } => {
                event("SCAN", &format!("{}{}", key(scene), element("Ticket", ticket)))
            }
            MessageContent::Action(action) => self.action_elements(action),
        }
    }

    fn action_elements(&self, action: &PhoneAction) -> String {
        let text = |content: &str| self.standard_message("text", &element("Content", content));
        // Nobody fetches media from the simulator, so any id will do.
        let media = || element("MediaId", &format!("media-{}", self.id));
        match action {
            PhoneAction::Follow { event_key } => event("subscribe", &event_key.as_deref().map(key).unwrap_or_default()),
            PhoneAction::Unfollow => event("unsubscribe", &key("")),
            PhoneAction::Say(content) => text(content),
            PhoneAction::Tap { content, id } => format!("{}{}", text(content), element("bizmsgmenuid", id)),
            PhoneAction::SendImage => {
                let address = format!("http://mmbiz.qpic.cn/mmbiz_jpg/{}/0", self.id);
                self.standard_message("image", &format!("{}{}", element("PicUrl", &address), media()))
            }
            PhoneAction::SendVoice => {
                self.standard_message("voice", &format!("{}{}", media(), element("Format", "amr")))
            }
            PhoneAction::SendLink { title } => {
                let rest = format!("{}{}", element("Title", title), element("Url", "https://example.com/"));
                self.standard_message("link", &rest)
            }
            PhoneAction::SendPlace { label } => {
                let place =
                    "<Location_X>23.134521</Location_X>\n<Location_Y>113.358803</Location_Y>\n<Scale>20</Scale>\n";
                self.standard_message("location", &format!("{place}{}", element("Label", label)))
            }
            PhoneAction::SendOther { msg_type } => self.standard_message(msg_type, ""),
            PhoneAction::Locate { latitude, longitude, precision } => event(
                "LOCATION",
                &format!(
                    "<Latitude>{latitude:.6}</Latitude>\n<Longitude>{longitude:.6}</Longitude>\n\
                     <Precision>{precision:.6}</Precision>\n"
                ),
            ),
            PhoneAction::ClickMenu { key: clicked } => event("CLICK", &key(clicked)),
            PhoneAction::OpenMenu { url } => event("VIEW", &key(url)),
            PhoneAction::ScanByMenu { key: clicked, result, waits } => {
                let name = if *waits { "scancode_waitmsg" } else { "scancode_push" };
                let info = format!("{}{}", element("ScanType", "qrcode"), element("ScanResult", result));
                event(name, &format!("{}<ScanCodeInfo>{info}</ScanCodeInfo>\n", key(clicked)))
            }
            PhoneAction::CauseOther { event: name } => event(name, ""),
        }
    }

    fn standard_message(&self, kind: &str, rest: &str) -> String {
        format!("{}{rest}<MsgId>{}</MsgId>\n", element("MsgType", kind), self.id)
    }
}

fn event(name: &str, rest: &str) -> String {
    format!("{}{}{rest}", element("MsgType", "event"), element("Event", name))
}

fn key(key: &str) -> String {
    element("EventKey", key)
}

/// The document with these elements.
pub(super) fn root(elements: &[u8]) -> Vec<u8> {
    [b"<xml>", elements, b"</xml>"].concat()
}

/// What ends a text.
const END: &str = "]]>";
/// The same inside a text, in two parts, so that it ends nothing.
const SPLIT_END: &str = "]]]]><![CDATA[>";

pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}><![CDATA[{}]]></{name}>\n", text.replace(END, SPLIT_END))
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;
    use scenecast_wechat::{Message as ParsedMessage, MessageKind};

    use super::*;

    fn written(content: MessageContent) -> String {
        let message = DeliveryMessage { from: "oAnn".parse().unwrap(), created: 7, id: 9, content };
        String::from_utf8(root(message.elements("gh_1").as_bytes())).unwrap()
    }

    fn written_action(action: PhoneAction) -> String {
        written(MessageContent::Action(action))
    }

    fn read(document: &str) -> ParsedMessage {
        ParsedMessage::parse(document.as_bytes()).unwrap()
    }

    /// The names and texts of the elements after the four that every message has.
    fn rest(document: &str) -> Vec<(String, String)> {
        let document = Document::parse(document).unwrap();
        let elements = document.root_element().children().filter(roxmltree::Node::is_element).skip(4);
        elements.map(|it| (it.tag_name().name().to_owned(), it.text().unwrap_or_default().to_owned())).collect()
    }

    #[test]
    fn a_scan_has_the_form_of_wechats() {
        assert_eq!(
            written(MessageContent::Scan { scene: "abc".into(), ticket: "gQ==".into() }),
            "<xml><ToUserName><![CDATA[gh_1]]></ToUserName>\n<FromUserName><![CDATA[oAnn]]></FromUserName>\n\
             <CreateTime>7</CreateTime>\n<MsgType><![CDATA[event]]></MsgType>\n<Event><![CDATA[SCAN]]></Event>\n\
             <EventKey><![CDATA[abc]]></EventKey>\n<Ticket><![CDATA[gQ==]]></Ticket>\n</xml>"
        );
    }

    #[test]
    fn only_a_new_followers_scene_has_the_prefix() {
        let scene = "abc".to_owned();
        let ticket = "t".to_owned();
        let subscribe = written(MessageContent::SubscribeByCode { scene: scene.clone(), ticket: ticket.clone() });
        assert_eq!(read(&subscribe).kind, MessageKind::Subscribe("qrscene_abc".into()));
        assert_eq!(read(&written(MessageContent::Scan { scene, ticket })).kind, MessageKind::Scan("abc".into()));
        assert_eq!(read(&written_action(PhoneAction::Unfollow)).kind, MessageKind::Unsubscribe);
    }

    #[test]
    fn a_text_keeps_every_character() {
        for content in ["hi", "a ]]> b", "<xml>&amp;", "登录 😀\nline", "/::)"] {
            assert_eq!(read(&written_action(PhoneAction::Say(content.into()))).kind, MessageKind::Text(content.into()));
        }
    }

    #[test]
    fn each_action_has_the_elements_of_its_kind() {
        for (done, expected) in [
            (PhoneAction::Follow { event_key: None }, &[("Event", "subscribe")][..]),
            (PhoneAction::Follow { event_key: Some(String::new()) }, &[("Event", "subscribe"), ("EventKey", "")]),
            (
                PhoneAction::Follow { event_key: Some("last_trade_no_42".into()) },
                &[("Event", "subscribe"), ("EventKey", "last_trade_no_42")],
            ),
            (
                PhoneAction::Tap { content: "满意".into(), id: "101".into() },
                &[("Content", "满意"), ("MsgId", "9"), ("bizmsgmenuid", "101")],
            ),
            (
                PhoneAction::SendImage,
                &[("PicUrl", "http://mmbiz.qpic.cn/mmbiz_jpg/9/0"), ("MediaId", "media-9"), ("MsgId", "9")],
            ),
            (PhoneAction::SendVoice, &[("MediaId", "media-9"), ("Format", "amr"), ("MsgId", "9")]),
            (
                PhoneAction::SendLink { title: "a ]]> b".into() },
                &[("Title", "a ]]> b"), ("Url", "https://example.com/"), ("MsgId", "9")],
            ),
            (
                PhoneAction::SendPlace { label: "广州".into() },
                &[
                    ("Location_X", "23.134521"),
                    ("Location_Y", "113.358803"),
                    ("Scale", "20"),
                    ("Label", "广州"),
                    ("MsgId", "9"),
                ],
            ),
            (PhoneAction::SendOther { msg_type: "hologram".into() }, &[("MsgId", "9")]),
            (
                PhoneAction::Locate { latitude: 23.137_466, longitude: 113.352_425, precision: 119.0 },
                &[
                    ("Event", "LOCATION"),
                    ("Latitude", "23.137466"),
                    ("Longitude", "113.352425"),
                    ("Precision", "119.000000"),
                ],
            ),
            (PhoneAction::ClickMenu { key: "about".into() }, &[("Event", "CLICK"), ("EventKey", "about")]),
            (
                PhoneAction::OpenMenu { url: "https://x/?a&b".into() },
                &[("Event", "VIEW"), ("EventKey", "https://x/?a&b")],
            ),
            (PhoneAction::CauseOther { event: "eclipse".into() }, &[("Event", "eclipse")]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
            assert_eq!(rest(&written_action(done.clone())), expected, "{done:?}");
        }
    }

    #[test]
    fn the_result_of_a_menu_scan_is_nested() {
        for (waits, name) in [(false, "scancode_push"), (true, "scancode_waitmsg")] {
            let document =
                written_action(PhoneAction::ScanByMenu { key: "k".into(), result: "https://x".into(), waits });
            let document = Document::parse(&document).unwrap();
            let text = |path: &[&str]| {
                let root = document.root_element();
                let found = path.iter().try_fold(root, |at, name| at.children().find(|it| it.has_tag_name(*name)));
                found.unwrap().text().unwrap()
            };
            assert_eq!((text(&["Event"]), text(&["EventKey"])), (name, "k"));
            assert_eq!(text(&["ScanCodeInfo", "ScanType"]), "qrcode");
            assert_eq!(text(&["ScanCodeInfo", "ScanResult"]), "https://x");
        }
    }
}
