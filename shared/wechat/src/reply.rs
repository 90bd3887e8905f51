//! The answers to WeChat's messages.

use crate::{
    message::Message,
    xml::{XmlValue, write},
};

/// The answer that acknowledges a message without a reply. WeChat doesn't deliver the message again.
pub const ACKNOWLEDGED: &str = "success";

/// A reply that shows `text` to the sender of `message`. `now_secs` is unix seconds. Characters that XML 1.0 doesn't allow
/// are left out.
pub fn text_reply(message: &Message, text: &str, now_secs: u64) -> String {
    // Because of a forbidden character WeChat would show an error notice in place of the reply.
    let is_allowed = |c: &char| match c {
        '\n' | '\t' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => !c.is_control(),
    };
    let text: String = text.chars().filter(is_allowed).collect();
    write(&[
        ("ToUserName", XmlValue::Text(message.from.as_str())),
        ("FromUserName", XmlValue::Text(&message.to)),
        ("CreateTime", XmlValue::Number(now_secs)),
        ("MsgType", XmlValue::Text("text")),
        ("Content", XmlValue::Text(&text)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageKind;

    const ASKED: &str = "<xml><ToUserName>gh_1</ToUserName><FromUserName>oAnn</FromUserName>\
        <CreateTime>1</CreateTime><MsgType>text</MsgType><Content>hi</Content><MsgId>1</MsgId></xml>";

    #[test]
    fn a_reply_swaps_sender_and_receiver() {
        let asked = Message::parse(ASKED.as_bytes()).unwrap();
        assert_eq!(
            text_reply(&asked, "你好", 7),
            "<xml><ToUserName><![CDATA[oAnn]]></ToUserName><FromUserName><![CDATA[gh_1]]></FromUserName>\
             <CreateTime>7</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[你好]]></Content></xml>"
        );
    }

    #[test]
    fn no_text_breaks_the_document() {
        let asked = Message::parse(ASKED.as_bytes()).unwrap();
        for text in ["a ]]> b", "]]>]]>", "<xml>", "&amp;", "emoji 😀\nline"] {
            let reply = text_reply(&asked, text, 7).replace("</xml>", "<MsgId>1</MsgId></xml>");
            let read = Message::parse(reply.replace("gh_1", "gh1").as_bytes()).unwrap();
            assert_eq!(read.kind, MessageKind::Text(text.to_owned()));
        }
        assert!(text_reply(&asked, "a\u{0}b\u{8}\u{ffff}c", 7).contains("[abc]"));
    }

    #[test]
    fn any_text_is_read_back_by_another_parser() {
        let asked = Message::parse(ASKED.as_bytes()).unwrap();
        bolero::check!().with_type().for_each(|text: &String| {
            let reply = text_reply(&asked, text, 7);
            let document = roxmltree::Document::parse(&reply).unwrap();
            let content = document.descendants().find(|node| node.has_tag_name("Content")).unwrap();
            let shown: String = content.children().filter_map(|part| part.text()).collect();
            // XML parsers read each line break as one `\n`.
            let sent: String = text.replace("\r\n", "\n").replace('\r', "\n");
            let is_allowed =
                |c: &char| *c == '\n' || *c == '\t' || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
            assert_eq!(shown, sent.chars().filter(is_allowed).collect::<String>());
        });
    }
}
