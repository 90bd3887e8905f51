//! The messages and events that WeChat posts, one XML document each.

use scenecast_scene::{AccountName, DeliveryId, OpenId};

use crate::{error::MessageError, xml::XmlElement};

/// A message or an event that a user sends to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `ToUserName`: the account's original id (`gh_…`).
    pub to: String,
    /// `FromUserName`: the sender.
    pub from: OpenId,
    /// `CreateTime`, in unix seconds.
    pub created: u64,
    /// What the user did.
    pub kind: MessageKind,
    /// `Ticket` of the scanned QR code. Not a secret: it can be derived from the code.
    pub ticket: Option<String>,
    /// `bizmsgmenuid` of a text that the user sent by a tap on a menu link of ours in the chat, and didn't type.
    pub menu_id: Option<String>,
    /// The part of the delivery's identity that distinguishes messages of one person in one second.
    identity: String,
}

/// What the user did.
///
/// # A new variant
///
/// WeChat repeats a message that it got no answer to, and every repetition must get the same [`Message::delivery_id`]:
/// otherwise it changes a scene twice, or the site is told twice. The id consists of the account, `FromUserName`,
/// `CreateTime` (whole seconds), and
///
/// - for events, `Event` and `EventKey`, because events have no `MsgId`;
/// - for all other messages, `MsgId`.
///
/// So two events of one person in one second are one delivery if `Event` and `EventKey` are the same. If your event can
/// occur twice in a second with different contents (such as a `subscribe_msg_popup_event`, which has no `EventKey` and
/// lists templates), add the contents that differ to `identity` in [`Message::parse`]. Add them only for the new event: the
/// ids of existing events must not change, or a repetition during a deploy isn't recognized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    Text(String),
    /// The user follows the account now. The text is `EventKey` as it was sent: `qrscene_…` if they scanned a code.
    Subscribe(String),
    /// A follower scanned a code. The text is `EventKey` as it was sent.
    Scan(String),
    /// The user doesn't follow the account any more. No reply reaches them.
    Unsubscribe,
    /// Any other event. The text is `Event`.
    Event(String),
    /// Any other message. The text is `MsgType`.
    Other(String),
}

impl Message {
    /// Reads a message. Unknown elements are ignored.
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let mut root = XmlElement::read(body)?;
        let ticket = root.take_optional_text("Ticket")?.filter(|ticket| !ticket.is_empty());
        let menu_id = root.take_optional_text("bizmsgmenuid")?.filter(|id| !id.is_empty());
        let to = root.take_recipient()?;
        let mut take = |name| root.take_text(name);
        let from = take("FromUserName")?.parse().map_err(|_| MessageError::InvalidElement("FromUserName"))?;
        let created = take("CreateTime")?.parse().map_err(|_| MessageError::InvalidElement("CreateTime"))?;
        let msg_type = take("MsgType")?;
        let (kind, identity) = match msg_type.as_str() {
            "event" => {
                let event = take("Event")?;
                let key = root.take_optional_text("EventKey")?.unwrap_or_default();
                let identity = format!("{event}\n{key}");
                // WeChat sends `SCAN`, and has sent `scan`.
                let kind = match event.to_ascii_lowercase().as_str() {
                    "subscribe" => MessageKind::Subscribe(key),
                    "scan" => MessageKind::Scan(key),
                    "unsubscribe" => MessageKind::Unsubscribe,
                    _ => MessageKind::Event(event),
                };
                (kind, identity)
            }
            "text" => (MessageKind::Text(take("Content")?), take("MsgId")?),
            _ => (MessageKind::Other(msg_type), root.take_optional_text("MsgId")?.unwrap_or_default()),
        };
        Ok(Self { to, from, created, kind, ticket, menu_id, identity })
    }

    /// The id of this delivery: the same each time WeChat delivers the message, and different for all other messages.
    /// `MsgId` alone isn't enough, because different users' messages have had the same one (`WxJava` issue 333).
    pub fn delivery_id(&self, account: &AccountName) -> DeliveryId {
        DeliveryId::of(&[account.as_str(), self.from.as_str(), &self.created.to_string(), &self.identity])
    }

    /// The scene string of the scanned QR code. `None` if the message isn't a scan.
    pub fn scene_string(&self) -> Option<&str> {
        match &self.kind {
            MessageKind::Subscribe(key) => key.strip_prefix("qrscene_"),
            MessageKind::Scan(key) => Some(key.strip_prefix("qrscene_").unwrap_or(key)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::EncryptedMessage;

    fn event(event: &str, rest: &str) -> String {
        format!(
            "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oAnn]]></FromUserName>\
             <CreateTime>1714037059</CreateTime><MsgType><![CDATA[event]]></MsgType>\
             <Event><![CDATA[{event}]]></Event>{rest}</xml>"
        )
    }

    fn parse(body: &str) -> Message {
        Message::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_scan_has_its_scene_string_with_and_without_prefix() {
        for (kind, key, scene) in [
            ("subscribe", "<EventKey><![CDATA[qrscene_abc]]></EventKey>", Some("abc")),
            ("subscribe", "<EventKey><![CDATA[qrscene_qrscene_x]]></EventKey>", Some("qrscene_x")),
            ("subscribe", "<EventKey><![CDATA[last_trade_no_4]]></EventKey>", None),
            ("subscribe", "<EventKey><![CDATA[]]></EventKey>", None),
            ("subscribe", "<EventKey/>", None),
            ("subscribe", "", None),
            ("SCAN", "<EventKey><![CDATA[abc]]></EventKey><Ticket>t</Ticket>", Some("abc")),
            ("scan", "<EventKey>123</EventKey>", Some("123")),
            ("SCAN", "<EventKey>qrscene_abc</EventKey>", Some("abc")),
            ("subscribe", "<EventKey>scanbarcode|ean13|6901</EventKey>", None),
            ("subscribe", "<EventKey>scanimage|7</EventKey>", None),
            ("subscribe", "<EventKey>abc</EventKey>", None),
            ("CLICK", "<EventKey>abc</EventKey>", None),
            ("CLICK", "<EventKey>qrscene_abc</EventKey>", None),
            ("VIEW", "<EventKey>https://x</EventKey><MenuId>1</MenuId>", None),
            ("LOCATION", "<Latitude>1</Latitude><Longitude>2</Longitude><Precision>3</Precision>", None),
            ("unsubscribe", "<EventKey></EventKey>", None),
        ] {
            assert_eq!(parse(&event(kind, key)).scene_string(), scene, "{kind} {key}");
        }
    }

    #[test]
    fn an_unknown_event_is_kept_by_its_name() {
        for kind in ["CLICK", "VIEW", "LOCATION", "scancode_push", "scancode_waitmsg", "user_scan_product", "新"] {
            assert_eq!(parse(&event(kind, "")).kind, MessageKind::Event(kind.to_owned()));
        }
    }

    #[test]
    fn a_scan_has_the_ticket_of_its_code() {
        for (ticket, kept) in
            [("<Ticket><![CDATA[gQ_=]]></Ticket>", Some("gQ_=")), ("<Ticket></Ticket>", None), ("", None)]
        {
            assert_eq!(parse(&event("SCAN", ticket)).ticket.as_deref(), kept);
        }
    }

    #[test]
    fn a_tapped_link_differs_from_a_typed_text() {
        let text = |rest: &str| {
            event("", rest)
                .replace("event]]>", "text]]>")
                .replace("<Event>", "<MsgId>1</MsgId><Content>yes</Content><E>")
                .replace("</Event>", "</E>")
        };
        let tapped = parse(&text("<bizmsgmenuid><![CDATA[s-1]]></bizmsgmenuid>"));
        assert_eq!((tapped.menu_id.as_deref(), tapped.kind), (Some("s-1"), MessageKind::Text("yes".to_owned())));
        assert_eq!(parse(&text("")).menu_id, None);
        assert_eq!(parse(&text("<bizmsgmenuid/>")).menu_id, None);
    }

    #[test]
    fn a_text_keeps_every_character() {
        let body = "<?xml version=\"1.0\"?>\n<xml>\n<URL><![CDATA[https://x]]></URL>\n<ToUserName>一灰灰blog</ToUserName>\n\
                    <FromUserName>demoUser1234</FromUserName>\n<CreateTime>1655700579</CreateTime>\n\
                    <MsgType>text</MsgType>\n<Content>a &lt;b&gt; &amp; <![CDATA[]]]]><![CDATA[>]]> &#x1F600;😀</Content>\n\
                    <MsgId>11111111</MsgId>\n</xml>\n";
        let message = parse(body);
        assert_eq!(message.to, "一灰灰blog");
        assert_eq!(message.kind, MessageKind::Text("a <b> & ]]> 😀😀".to_owned()));
    }

    #[test]
    fn nested_and_unknown_elements_are_ignored() {
        let message = parse(&event(
            "scancode_push",
            "<EventKey>6</EventKey><ScanCodeInfo><ScanType>qrcode</ScanType><EventKey>1</EventKey></ScanCodeInfo>",
        ));
        assert_eq!(message.kind, MessageKind::Event("scancode_push".to_owned()));
    }

    #[test]
    fn a_text_is_never_read_in_part() {
        for text in ["1]]><b/><![CDATA[", "1]]><!-- x --><![CDATA[", "1]]><?x y?><![CDATA[", "]]><b>1</b><![CDATA["] {
            let body = event("", &format!("<MsgId>1</MsgId><Content><![CDATA[{text}]]></Content>"))
                .replace("event]]>", "text]]>");
            assert_eq!(Message::parse(body.as_bytes()), Err(MessageError::InvalidElement("Content")), "{text}");
            let body = event("SCAN", &format!("<EventKey><![CDATA[{text}]]></EventKey>"));
            assert_eq!(Message::parse(body.as_bytes()), Err(MessageError::InvalidElement("EventKey")), "{text}");
        }
    }

    #[test]
    fn different_messages_have_different_delivery_ids() {
        let account: AccountName = "demo".parse().unwrap();
        let scan = |key: &str| parse(&event("SCAN", &format!("<EventKey>{key}</EventKey>"))).delivery_id(&account);
        assert_eq!(scan("a"), scan("a"));
        assert_ne!(scan("a"), scan("b"));
        let scanned = parse(&event("SCAN", ""));
        let located = parse(&event("LOCATION", ""));
        assert_eq!((&scanned.from, scanned.created), (&located.from, located.created), "in one second");
        assert_ne!(scanned.delivery_id(&account), located.delivery_id(&account));
        assert_ne!(scanned.delivery_id(&account), scanned.delivery_id(&"other".parse().unwrap()));
    }

    #[test]
    fn bodies_that_are_no_message_are_refused() {
        let whole = event("SCAN", "<EventKey>a</EventKey>");
        for (body, why) in [
            (String::new(), MessageError::NotXml),
            ("hello".to_owned(), MessageError::NotXml),
            ("{\"ToUserName\":\"x\"}".to_owned(), MessageError::Json),
            ("\n [{\"action\":1}]".to_owned(), MessageError::Json),
            (
                "<xml><AppId>wx1</AppId><InfoType>component_verify_ticket</InfoType></xml>".to_owned(),
                MessageError::ThirdPartyPlatform,
            ),
            (whole[..whole.len() - 3].to_owned(), MessageError::NotXml),
            (whole[..whole.len() / 2].to_owned(), MessageError::NotXml),
            (format!("{whole}{whole}"), MessageError::NotXml),
            (format!("{whole}tail"), MessageError::NotXml),
            (whole.replace("</EventKey>", "</Eventkey>"), MessageError::NotXml),
            (format!("<!DOCTYPE xml [<!ENTITY e \"x\">]>{whole}"), MessageError::Doctype),
            (format!("<!DOCTYPE xml SYSTEM \"file:///etc/passwd\">{whole}"), MessageError::Doctype),
            (whole.replace(">a<", ">&e;<"), MessageError::UnknownEntity),
            (whole.replace("<Event>", "<FromUserName>oBob</FromUserName><Event>"), MessageError::DuplicateElement),
            ("<xml></xml>".to_owned(), MessageError::InvalidElement("ToUserName")),
            (whole.replace("1714037059", "-1"), MessageError::InvalidElement("CreateTime")),
            (whole.replace("oAnn", "o Ann"), MessageError::InvalidElement("FromUserName")),
            (whole.replace("<Event>", "<E>").replace("</Event>", "</E>"), MessageError::InvalidElement("Event")),
        ] {
            assert_eq!(Message::parse(body.as_bytes()), Err(why), "{body}");
        }
        assert_eq!(Message::parse(b"<xml>\xff</xml>"), Err(MessageError::NotUtf8));
    }

    #[test]
    fn any_body_is_a_message_or_is_refused() {
        let account = "demo".parse().unwrap();
        bolero::check!().for_each(|body: &[u8]| {
            if let Ok(message) = Message::parse(body) {
                let again = Message::parse(body).map(|again| again.delivery_id(&account));
                assert_eq!(again, Ok(message.delivery_id(&account)), "a repetition has the same id");
            }
            let _ = EncryptedMessage::parse(body);
        });
    }
}
