//! What is answered to WeChat.

use quick_xml::{
    Writer,
    events::{BytesCData, BytesEnd, BytesStart, BytesText, Event},
};

use super::Message;

/// "Received, and nothing to say." WeChat takes it as the end of a delivery.
pub const ACKNOWLEDGED: &str = "success";

/// The reply that shows `text` to whoever sent `message`.
pub fn text_reply(message: &Message, text: &str, now_secs: u64) -> String {
    // Characters that XML 1.0 can't carry would make WeChat show its error notice instead.
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r')).collect();
    let created = now_secs.to_string();
    let mut writer = Writer::new(Vec::with_capacity(256 + text.len()));
    let mut write = |event| writer.write_event(event).expect("a Vec takes every byte");
    write(Event::Start(BytesStart::new("xml")));
    for (name, value) in
        [("ToUserName", message.from.as_str()), ("FromUserName", &message.to), ("MsgType", "text"), ("Content", &text)]
    {
        write(Event::Start(BytesStart::new(name)));
        for part in BytesCData::escaped(value) {
            write(Event::CData(part));
        }
        write(Event::End(BytesEnd::new(name)));
    }
    write(Event::Start(BytesStart::new("CreateTime")));
    write(Event::Text(BytesText::new(&created)));
    write(Event::End(BytesEnd::new("CreateTime")));
    write(Event::End(BytesEnd::new("xml")));
    String::from_utf8(writer.into_inner()).expect("only UTF-8 was written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wechat::Kind;

    const ASKED: &str = "<xml><ToUserName>gh_1</ToUserName><FromUserName>oAnn</FromUserName>\
        <CreateTime>1</CreateTime><MsgType>text</MsgType><Content>hi</Content><MsgId>1</MsgId></xml>";

    #[test]
    fn a_reply_swaps_sender_and_receiver() {
        let asked = Message::parse(ASKED.as_bytes()).unwrap();
        assert_eq!(
            text_reply(&asked, "你好", 7),
            "<xml><ToUserName><![CDATA[oAnn]]></ToUserName><FromUserName><![CDATA[gh_1]]></FromUserName>\
             <MsgType><![CDATA[text]]></MsgType><Content><![CDATA[你好]]></Content><CreateTime>7</CreateTime></xml>"
        );
    }

    #[test]
    fn no_text_breaks_the_document() {
        let asked = Message::parse(ASKED.as_bytes()).unwrap();
        for text in ["a ]]> b", "]]>]]>", "<xml>", "&amp;", "emoji 😀\nline"] {
            let reply = text_reply(&asked, text, 7).replace("</xml>", "<MsgId>1</MsgId></xml>");
            let read = Message::parse(reply.replace("gh_1", "gh1").as_bytes()).unwrap();
            assert_eq!(read.kind, Kind::Text(text.to_owned()));
        }
        assert!(text_reply(&asked, "a\u{0}b\u{8}c", 7).contains("[abc]"));
    }
}
