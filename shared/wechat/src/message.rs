//! What WeChat posts: one flat XML document a message.

use crate::xml::XmlElements;
use scenecast_scene::{AccountName, DeliveryId, OpenId};

/// Why a body is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Not well-formed XML with one root, or cut short.
    #[error("the body is not one well-formed XML document")]
    NotXml,
    /// Has a document type: WeChat sends none, and entities are a way in.
    #[error("the body has a document type")]
    Doctype,
    /// Refers to an entity that XML doesn't predefine.
    #[error("the body refers to an entity")]
    Entity,
    /// Has the same element twice, so that two readers could disagree about it.
    #[error("the body has an element twice")]
    Twice,
    /// Lacks an element, or has one with a value it can't have.
    #[error("{0} is missing or invalid")]
    Element(&'static str),
}

/// A message or event from a user, in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `ToUserName`: the account's own id (`gh_…`).
    pub to: String,
    /// `FromUserName`: who sent it.
    pub from: OpenId,
    /// `CreateTime`, in unix seconds.
    pub created: u64,
    /// What it is.
    pub kind: MessageKind,
    /// `Ticket` of the QR code that was scanned. Not a secret: it can be guessed from the code.
    pub ticket: Option<String>,
    /// `bizmsgmenuid` of a text that was not typed, but sent by touching a link of ours in the chat.
    pub menu_id: Option<String>,
    /// What tells it from another by the same person in the same second.
    identity: String,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    /// A text message.
    Text(String),
    /// Began to follow, perhaps by scanning; the key as sent.
    Subscribe(String),
    /// Scanned while following already; the key as sent.
    Scan(String),
    /// Stopped following. No reply reaches them.
    Unsubscribe,
    /// Any other event, by its `Event`.
    Event(String),
    /// Any other message, by its `MsgType`.
    Other(String),
}

impl Message {
    /// Reads a message. XmlElements that it doesn't know are passed over.
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let mut elements = XmlElements::read(body)?;
        let ticket = elements.take("Ticket").ok().filter(|ticket| !ticket.is_empty());
        let menu_id = elements.take("bizmsgmenuid").ok().filter(|id| !id.is_empty());
        let mut take = |name| elements.take(name);

        let to = take("ToUserName")?;
        let from = take("FromUserName")?.parse().map_err(|_| MessageError::Element("FromUserName"))?;
        let created = take("CreateTime")?.parse().map_err(|_| MessageError::Element("CreateTime"))?;
        let msg_type = take("MsgType")?;
        let (kind, identity) = match msg_type.as_str() {
            "event" => {
                let event = take("Event")?;
                let key = take("EventKey").unwrap_or_default();
                let identity = format!("{event}\n{key}");
                // WeChat has sent `SCAN` and `scan`.
                let kind = match event.to_ascii_lowercase().as_str() {
                    "subscribe" => MessageKind::Subscribe(key),
                    "scan" => MessageKind::Scan(key),
                    "unsubscribe" => MessageKind::Unsubscribe,
                    _ => MessageKind::Event(event),
                };
                (kind, identity)
            }
            "text" => (MessageKind::Text(take("Content")?), take("MsgId")?),
            _ => (MessageKind::Other(msg_type), take("MsgId").unwrap_or_default()),
        };
        Ok(Self { to, from, created, kind, ticket, menu_id, identity })
    }

    /// Which delivery it is: alike each time WeChat delivers it, and for no other message.
    /// `MsgId` alone would not do: it has been seen to repeat across users (`WxJava` issue 333).
    pub fn delivery(&self, account: &AccountName) -> DeliveryId {
        DeliveryId::of(&[account.as_str(), self.from.as_str(), &self.created.to_string(), &self.identity])
    }

    /// The scene string of the QR code that was scanned, if this is a scan of one.
    pub fn scanned(&self) -> Option<&str> {
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
    fn a_scan_names_its_scene_with_and_without_prefix() {
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
            assert_eq!(parse(&event(kind, key)).scanned(), scene, "{kind} {key}");
        }
    }

    #[test]
    fn an_event_that_is_not_known_is_kept_by_its_name() {
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
    fn a_touched_link_is_told_from_typed_words() {
        let text = |rest: &str| {
            event("", rest)
                .replace("event]]>", "text]]>")
                .replace("<Event>", "<MsgId>1</MsgId><Content>yes</Content><E>")
                .replace("</Event>", "</E>")
        };
        let touched = parse(&text("<bizmsgmenuid><![CDATA[s-1]]></bizmsgmenuid>"));
        assert_eq!((touched.menu_id.as_deref(), touched.kind), (Some("s-1"), MessageKind::Text("yes".to_owned())));
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
    fn nested_and_unknown_elements_are_passed_over() {
        let message = parse(&event(
            "scancode_push",
            "<EventKey>6</EventKey><ScanCodeInfo><ScanType>qrcode</ScanType><EventKey>1</EventKey></ScanCodeInfo>",
        ));
        assert_eq!(message.kind, MessageKind::Event("scancode_push".to_owned()));
    }

    #[test]
    fn deliveries_are_told_apart() {
        let account: AccountName = "demo".parse().unwrap();
        let scan = |key: &str| parse(&event("SCAN", &format!("<EventKey>{key}</EventKey>"))).delivery(&account);
        assert_eq!(scan("a"), scan("a"));
        assert_ne!(scan("a"), scan("b"));
        let (scanned, elsewhere) = (parse(&event("SCAN", "")), parse(&event("LOCATION", "")));
        assert_eq!((&scanned.from, scanned.created), (&elsewhere.from, elsewhere.created), "in one second");
        assert_ne!(scanned.delivery(&account), elsewhere.delivery(&account));
        assert_ne!(scanned.delivery(&account), scanned.delivery(&"other".parse().unwrap()));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let whole = event("SCAN", "<EventKey>a</EventKey>");
        for (body, why) in [
            (String::new(), MessageError::NotXml),
            ("hello".to_owned(), MessageError::NotXml),
            ("{\"ToUserName\":\"x\"}".to_owned(), MessageError::NotXml),
            (whole[..whole.len() - 3].to_owned(), MessageError::NotXml),
            (whole[..whole.len() / 2].to_owned(), MessageError::NotXml),
            (format!("{whole}{whole}"), MessageError::NotXml),
            (format!("{whole}tail"), MessageError::NotXml),
            (whole.replace("</EventKey>", "</Eventkey>"), MessageError::NotXml),
            (format!("<!DOCTYPE xml [<!ENTITY e \"x\">]>{whole}"), MessageError::Doctype),
            (format!("<!DOCTYPE xml SYSTEM \"file:///etc/passwd\">{whole}"), MessageError::Doctype),
            (whole.replace(">a<", ">&e;<"), MessageError::Entity),
            (whole.replace("<Event>", "<FromUserName>oBob</FromUserName><Event>"), MessageError::Twice),
            ("<xml></xml>".to_owned(), MessageError::Element("ToUserName")),
            (whole.replace("1714037059", "-1"), MessageError::Element("CreateTime")),
            (whole.replace("oAnn", "o Ann"), MessageError::Element("FromUserName")),
            (whole.replace("<Event>", "<E>").replace("</Event>", "</E>"), MessageError::Element("Event")),
        ] {
            assert_eq!(Message::parse(body.as_bytes()), Err(why), "{body}");
        }
        assert_eq!(Message::parse(b"<xml>\xff</xml>"), Err(MessageError::NotUtf8));
    }

    #[test]
    fn whatever_is_posted_is_a_message_or_is_not() {
        let account = "demo".parse().unwrap();
        bolero::check!().for_each(|body: &[u8]| {
            if let Ok(message) = Message::parse(body) {
                let again = Message::parse(body).map(|again| again.delivery(&account));
                assert_eq!(again, Ok(message.delivery(&account)), "delivered again it is the same");
            }
            let _ = EncryptedMessage::parse(body);
        });
    }
}
