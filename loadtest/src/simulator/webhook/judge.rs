//! What WeChat makes of a webhook's answer. No I/O.
//!
//! Facts: "Passive user reply message" of developers.weixin.qq.com, of which text is the only kind
//! that is known here. The XML reader is another
//! than the product's own, so that the two can't share a mistake.

/// What the phone shows after something was sent to the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    /// Nothing new.
    Nothing,
    /// The account's text.
    Reply(String),
    /// 该公众号暂时无法提供服务，请稍后再试 ("This account can't provide its service now").
    Notice(BadAnswer),
}

/// The longest text that is shown, in bytes of UTF-8.
const MAX_CONTENT: usize = 2048;

/// Why WeChat shows its notice instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// No attempt to deliver was answered.
    #[error("no attempt to deliver was answered")]
    NoAnswer,
    /// Another status than 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// Neither `success`, nor empty, nor an XML document.
    #[error("the answer is neither `success`, nor empty, nor an <xml> document")]
    NotXml,
    /// Lacks an element, has it twice, or with a value that it can't have.
    #[error("the answer's {0} is missing, repeated or wrong")]
    Element(&'static str),
    /// More text than WeChat takes.
    #[error("the answer's Content has {0} bytes; WeChat takes 2048")]
    TooLong(usize),
}

/// What the phone of `openid` shows when the account `original_id` answers so.
pub(crate) fn judge(status: u16, body: &[u8], openid: &str, original_id: &str) -> Screen {
    match read(status, body, openid, original_id) {
        Ok(None) => Screen::Nothing,
        Ok(Some(text)) => Screen::Reply(text),
        Err(bad) => Screen::Notice(bad),
    }
}

fn read(status: u16, body: &[u8], openid: &str, original_id: &str) -> Result<Option<String>, BadAnswer> {
    if status != 200 {
        return Err(BadAnswer::Status(status));
    }
    if body.is_empty() || body == b"success" {
        return Ok(None);
    }
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotXml)?;
    let document = roxmltree::Document::parse(text).map_err(|_| BadAnswer::NotXml)?;
    let root = document.root_element();
    if root.tag_name().name() != "xml" {
        return Err(BadAnswer::NotXml);
    }
    let take = |name: &'static str| {
        let mut found = root.children().filter(|child| child.has_tag_name(name));
        match (found.next(), found.next()) {
            (Some(element), None) if element.children().all(|child| child.is_text()) => {
                Ok(element.children().filter_map(|child| child.text()).collect::<String>())
            }
            _ => Err(BadAnswer::Element(name)),
        }
    };
    let expect = |name: &'static str, fits: &dyn Fn(&str) -> bool| {
        if fits(&take(name)?) { Ok(()) } else { Err(BadAnswer::Element(name)) }
    };
    expect("ToUserName", &|value| value == openid)?;
    expect("FromUserName", &|value| value == original_id)?;
    expect("CreateTime", &|value| value.parse::<u64>().is_ok())?;
    expect("MsgType", &|value| value == "text")?;
    let content = take("Content")?;
    match content.len() {
        0 => Err(BadAnswer::Element("Content")),
        1..=MAX_CONTENT => Ok(Some(content)),
        long => Err(BadAnswer::TooLong(long)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<xml><ToUserName><![CDATA[oAnn]]></ToUserName><FromUserName><![CDATA[gh_1]]></FromUserName>\
        <CreateTime>7</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hi]]></Content></xml>";

    fn shown(body: &str) -> Screen {
        judge(200, body.as_bytes(), "oAnn", "gh_1")
    }

    #[test]
    fn success_and_nothing_at_all_are_silence() {
        assert_eq!([shown("success"), shown("")], [Screen::Nothing, Screen::Nothing]);
    }

    #[test]
    fn a_text_reply_is_shown() {
        for (body, text) in [
            (GOOD.to_owned(), "hi".to_owned()),
            (GOOD.replace("<![CDATA[hi]]>", "a &lt;b&gt;\n好"), "a <b>\n好".to_owned()),
            (GOOD.replace("<![CDATA[hi]]>", "<![CDATA[a ]]]]><![CDATA[> b]]>"), "a ]]> b".to_owned()),
            (GOOD.replace("hi", &"x".repeat(2048)), "x".repeat(2048)),
        ] {
            assert_eq!(shown(&body), Screen::Reply(text), "{body}");
        }
    }

    #[test]
    fn anything_else_is_wechats_notice() {
        let element = BadAnswer::Element;
        for (body, why) in [
            ("success\n".to_owned(), BadAnswer::NotXml),
            ("SUCCESS".to_owned(), BadAnswer::NotXml),
            ("\"success\"".to_owned(), BadAnswer::NotXml),
            (" ".to_owned(), BadAnswer::NotXml),
            ("{\"errcode\":0}".to_owned(), BadAnswer::NotXml),
            ("<html><body>502</body></html>".to_owned(), BadAnswer::NotXml),
            (GOOD[..GOOD.len() - 1].to_owned(), BadAnswer::NotXml),
            (format!("{GOOD}tail"), BadAnswer::NotXml),
            (GOOD.replace("hi", "a ]]> b"), BadAnswer::NotXml),
            (GOOD.replace("hi", "a\u{8}b"), BadAnswer::NotXml),
            (format!("<!DOCTYPE xml>{GOOD}"), BadAnswer::NotXml),
            (GOOD.replace("oAnn", "oBob"), element("ToUserName")),
            (GOOD.replace("gh_1", "gh_2"), element("FromUserName")),
            (GOOD.replace("<CreateTime>7", "<CreateTime>soon"), element("CreateTime")),
            (GOOD.replace("<CreateTime>7</CreateTime>", ""), element("CreateTime")),
            (GOOD.replace("[text]", "[Text]"), element("MsgType")),
            (GOOD.replace("hi", ""), element("Content")),
            (GOOD.replace("<![CDATA[hi]]>", "<b>hi</b>"), element("Content")),
            (GOOD.replace("</xml>", "<Content>hi</Content></xml>"), element("Content")),
            (GOOD.replace("hi", &"好".repeat(683)), BadAnswer::TooLong(2049)),
        ] {
            assert_eq!(shown(&body), Screen::Notice(why), "{body}");
        }
    }

    #[test]
    fn only_status_200_counts() {
        for status in [204, 301, 403, 500] {
            assert_eq!(judge(status, b"success", "oAnn", "gh_1"), Screen::Notice(BadAnswer::Status(status)));
        }
    }
}
