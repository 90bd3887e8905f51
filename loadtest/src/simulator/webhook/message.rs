//! What WeChat writes into a webhook's body.
//!
//! Facts: "Receiving event pushes" and "Receiving standard messages" of developers.weixin.qq.com.

use scenecast_shared::scene::OpenId;

use crate::simulator::Deed;

/// Something that somebody did, as it is told to the account.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) from: OpenId,
    /// In unix seconds, when it happened.
    pub(crate) created: u64,
    /// Unique; events don't show it.
    pub(crate) id: u64,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// Began to follow by scanning a code with a scene.
    SubscribeByCode { scene: String, ticket: String },
    /// Scanned one while following.
    Scan { scene: String, ticket: String },
    /// Anything else.
    Deed(Deed),
}

impl Message {
    /// Its elements, with CDATA and line breaks where WeChat has them.
    pub(crate) fn elements(&self, to: &str) -> String {
        format!(
            "{}{}<CreateTime>{}</CreateTime>\n{}",
            element("ToUserName", to),
            element("FromUserName", self.from.as_str()),
            self.created,
            self.content(),
        )
    }

    fn content(&self) -> String {
        let message =
            |kind: &str, rest: &str| format!("{}{rest}<MsgId>{}</MsgId>\n", element("MsgType", kind), self.id);
        let text = |content: &str| message("text", &element("Content", content));
        // Nothing is fetched from these; an id that WeChat would give out is as good as any.
        let media = || element("MediaId", &format!("media-{}", self.id));
        match &self.what {
            What::SubscribeByCode { scene, ticket } => {
                event("subscribe", &format!("{}{}", key(&format!("qrscene_{scene}")), element("Ticket", ticket)))
            }
            What::Scan { scene, ticket } => event("SCAN", &format!("{}{}", key(scene), element("Ticket", ticket))),
            What::Deed(deed) => match deed {
                Deed::Follow { event_key } => event("subscribe", &event_key.as_deref().map(key).unwrap_or_default()),
                Deed::Unfollow => event("unsubscribe", &key("")),
                Deed::Say(content) => text(content),
                Deed::Tap { content, id } => format!("{}{}", text(content), element("bizmsgmenuid", id)),
                Deed::SendImage => {
                    let address = format!("http://mmbiz.qpic.cn/mmbiz_jpg/{}/0", self.id);
                    message("image", &format!("{}{}", element("PicUrl", &address), media()))
                }
                Deed::SendVoice => message("voice", &format!("{}{}", media(), element("Format", "amr"))),
                Deed::SendOther { msg_type } => message(msg_type, ""),
                Deed::Locate { latitude, longitude, precision } => event(
                    "LOCATION",
                    &format!(
                        "<Latitude>{latitude:.6}</Latitude>\n<Longitude>{longitude:.6}</Longitude>\n\
                         <Precision>{precision:.6}</Precision>\n"
                    ),
                ),
                Deed::ClickMenu { key: clicked } => event("CLICK", &key(clicked)),
                Deed::OpenMenu { url } => event("VIEW", &key(url)),
                Deed::ScanByMenu { key: clicked, result, waits } => {
                    let name = if *waits { "scancode_waitmsg" } else { "scancode_push" };
                    let info = format!("{}{}", element("ScanType", "qrcode"), element("ScanResult", result));
                    event(name, &format!("{}<ScanCodeInfo>{info}</ScanCodeInfo>\n", key(clicked)))
                }
                Deed::CauseOther { event: name } => event(name, ""),
            },
        }
    }
}

fn event(name: &str, rest: &str) -> String {
    format!("{}{}{rest}", element("MsgType", "event"), element("Event", name))
}

fn key(key: &str) -> String {
    element("EventKey", key)
}

/// The document with these elements.
pub(super) fn root(elements: &str) -> String {
    format!("<xml>{elements}</xml>")
}

pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}><![CDATA[{}]]></{name}>\n", text.replace("]]>", "]]]]><![CDATA[>"))
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;
    use scenecast_shared::wechat::{Kind, Message as Read};

    use super::*;

    fn written(what: What) -> String {
        let message = Message { from: "oAnn".parse().unwrap(), created: 7, id: 9, what };
        root(&message.elements("gh_1"))
    }

    fn deed(deed: Deed) -> String {
        written(What::Deed(deed))
    }

    fn read(document: &str) -> Read {
        Read::parse(document.as_bytes()).unwrap()
    }

    /// The names and texts of the elements that follow the four that every message has.
    fn rest(document: &str) -> Vec<(String, String)> {
        let document = Document::parse(document).unwrap();
        let elements = document.root_element().children().filter(roxmltree::Node::is_element).skip(4);
        elements.map(|it| (it.tag_name().name().to_owned(), it.text().unwrap_or_default().to_owned())).collect()
    }

    #[test]
    fn a_scan_looks_like_wechats() {
        assert_eq!(
            written(What::Scan { scene: "abc".into(), ticket: "gQ==".into() }),
            "<xml><ToUserName><![CDATA[gh_1]]></ToUserName>\n<FromUserName><![CDATA[oAnn]]></FromUserName>\n\
             <CreateTime>7</CreateTime>\n<MsgType><![CDATA[event]]></MsgType>\n<Event><![CDATA[SCAN]]></Event>\n\
             <EventKey><![CDATA[abc]]></EventKey>\n<Ticket><![CDATA[gQ==]]></Ticket>\n</xml>"
        );
    }

    #[test]
    fn only_a_new_followers_scene_has_the_prefix() {
        let (scene, ticket) = ("abc".to_owned(), "t".to_owned());
        let subscribe = written(What::SubscribeByCode { scene: scene.clone(), ticket: ticket.clone() });
        assert_eq!(read(&subscribe).kind, Kind::Subscribe("qrscene_abc".into()));
        assert_eq!(read(&written(What::Scan { scene, ticket })).kind, Kind::Scan("abc".into()));
        assert_eq!(read(&deed(Deed::Unfollow)).kind, Kind::Unsubscribe);
    }

    #[test]
    fn a_text_keeps_every_character() {
        for content in ["hi", "a ]]> b", "<xml>&amp;", "登录 😀\nline", "/::)"] {
            assert_eq!(read(&deed(Deed::Say(content.into()))).kind, Kind::Text(content.into()));
        }
    }

    #[test]
    fn each_deed_has_the_elements_of_its_kind() {
        for (done, expected) in [
            (Deed::Follow { event_key: None }, &[("Event", "subscribe")][..]),
            (Deed::Follow { event_key: Some(String::new()) }, &[("Event", "subscribe"), ("EventKey", "")]),
            (
                Deed::Follow { event_key: Some("last_trade_no_42".into()) },
                &[("Event", "subscribe"), ("EventKey", "last_trade_no_42")],
            ),
            (
                Deed::Tap { content: "满意".into(), id: "101".into() },
                &[("Content", "满意"), ("MsgId", "9"), ("bizmsgmenuid", "101")],
            ),
            (
                Deed::SendImage,
                &[("PicUrl", "http://mmbiz.qpic.cn/mmbiz_jpg/9/0"), ("MediaId", "media-9"), ("MsgId", "9")],
            ),
            (Deed::SendVoice, &[("MediaId", "media-9"), ("Format", "amr"), ("MsgId", "9")]),
            (Deed::SendOther { msg_type: "hologram".into() }, &[("MsgId", "9")]),
            (
                Deed::Locate { latitude: 23.137_466, longitude: 113.352_425, precision: 119.0 },
                &[
                    ("Event", "LOCATION"),
                    ("Latitude", "23.137466"),
                    ("Longitude", "113.352425"),
                    ("Precision", "119.000000"),
                ],
            ),
            (Deed::ClickMenu { key: "about".into() }, &[("Event", "CLICK"), ("EventKey", "about")]),
            (Deed::OpenMenu { url: "https://x/?a&b".into() }, &[("Event", "VIEW"), ("EventKey", "https://x/?a&b")]),
            (Deed::CauseOther { event: "eclipse".into() }, &[("Event", "eclipse")]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
            assert_eq!(rest(&deed(done.clone())), expected, "{done:?}");
        }
    }

    #[test]
    fn what_a_menu_scanned_is_nested() {
        for (waits, name) in [(false, "scancode_push"), (true, "scancode_waitmsg")] {
            let document = deed(Deed::ScanByMenu { key: "k".into(), result: "https://x".into(), waits });
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
