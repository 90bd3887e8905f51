//! What WeChat writes into a webhook's body.
//!
//! Facts: "Receiving event pushes" and "Receiving standard messages" of developers.weixin.qq.com.

/// What somebody did on the phone.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// Began to follow, by scanning.
    Subscribe { scene: String, ticket: String },
    /// Scanned while following.
    Scan { scene: String, ticket: String },
    /// Stopped following.
    Unsubscribe,
    /// Wrote to the account.
    Text { content: String, id: u64 },
}

/// The document, with CDATA and line breaks where WeChat has them.
pub(crate) fn document(to: &str, from: &str, created: u64, deed: &Deed) -> String {
    let event = |name: &str, key: &str, ticket: Option<&str>| {
        let ticket = ticket.map(|ticket| element("Ticket", ticket)).unwrap_or_default();
        format!("{}{}{}{ticket}", element("MsgType", "event"), element("Event", name), element("EventKey", key))
    };
    let rest = match deed {
        Deed::Subscribe { scene, ticket } => event("subscribe", &format!("qrscene_{scene}"), Some(ticket)),
        Deed::Scan { scene, ticket } => event("SCAN", scene, Some(ticket)),
        Deed::Unsubscribe => event("unsubscribe", "", None),
        Deed::Text { content, id } => {
            format!("{}{}<MsgId>{id}</MsgId>\n", element("MsgType", "text"), element("Content", content))
        }
    };
    format!(
        "<xml>{}{}<CreateTime>{created}</CreateTime>\n{rest}</xml>",
        element("ToUserName", to),
        element("FromUserName", from)
    )
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}><![CDATA[{}]]></{name}>\n", text.replace("]]>", "]]]]><![CDATA[>"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenecast_shared::wechat::{Kind, Message};

    fn read(deed: &Deed) -> Message {
        Message::parse(document("gh_1", "oAnn", 7, deed).as_bytes()).unwrap()
    }

    #[test]
    fn a_scan_looks_like_wechats() {
        let deed = Deed::Scan { scene: "abc".into(), ticket: "gQ==".into() };
        assert_eq!(
            document("gh_1", "oAnn", 7, &deed),
            "<xml><ToUserName><![CDATA[gh_1]]></ToUserName>\n<FromUserName><![CDATA[oAnn]]></FromUserName>\n\
             <CreateTime>7</CreateTime>\n<MsgType><![CDATA[event]]></MsgType>\n<Event><![CDATA[SCAN]]></Event>\n\
             <EventKey><![CDATA[abc]]></EventKey>\n<Ticket><![CDATA[gQ==]]></Ticket>\n</xml>"
        );
    }

    #[test]
    fn only_a_new_followers_scene_has_the_prefix() {
        let (scene, ticket) = ("abc".to_owned(), "t".to_owned());
        let subscribe = read(&Deed::Subscribe { scene: scene.clone(), ticket: ticket.clone() });
        assert_eq!(subscribe.kind, Kind::Subscribe("qrscene_abc".into()));
        assert_eq!(read(&Deed::Scan { scene, ticket }).kind, Kind::Scan("abc".into()));
        assert_eq!(read(&Deed::Unsubscribe).kind, Kind::Unsubscribe);
    }

    #[test]
    fn a_text_keeps_every_character() {
        for content in ["hi", "a ]]> b", "<xml>&amp;", "登录 😀\nline"] {
            let message = read(&Deed::Text { content: content.into(), id: 9 });
            assert_eq!(message.kind, Kind::Text(content.into()));
        }
    }
}
