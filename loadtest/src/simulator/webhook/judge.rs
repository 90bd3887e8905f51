//! What WeChat makes of a webhook's answer. No I/O.
//!
//! Facts: "Passive user reply message" of developers.weixin.qq.com, of which text is the only kind
//! that is known here; "Message encryption and decryption". The XML reader is another than the
//! product's own, so that the two can't share a mistake.

use roxmltree::{Document, Node};

use crate::simulator::seal::{AesKey, BadSeal, signature};
use crate::simulator::settings::{Account, Mode};

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
    /// In plain, from an account in safe mode.
    #[error("the answer is not sealed, as safe mode needs it")]
    NotSealed,
    /// Sealed in a way that can't be opened with the message's key.
    #[error("the answer's Encrypt has {0}")]
    Seal(#[from] BadSeal),
    /// More text than WeChat takes.
    #[error("the answer's Content has {0} bytes; WeChat takes 2048")]
    TooLong(usize),
}

/// Who gets the answer, from which account, and how it has to be sealed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) openid: &'a str,
    pub(super) account: &'a Account,
    /// What the message was sealed with.
    pub(super) key: &'a AesKey,
}

/// What the phone shows after this answer.
pub(super) fn judge(status: u16, body: &[u8], exchange: Exchange) -> Screen {
    match exchange.read(status, body) {
        Ok(None) => Screen::Nothing,
        Ok(Some(text)) => Screen::Reply(text),
        Err(bad) => Screen::Notice(bad),
    }
}

impl Exchange<'_> {
    fn read(&self, status: u16, body: &[u8]) -> Result<Option<String>, BadAnswer> {
        if status != 200 {
            return Err(BadAnswer::Status(status));
        }
        // These need no seal in any mode.
        if body.is_empty() || body == b"success" {
            return Ok(None);
        }
        let document = parse(body)?;
        let answer = root(&document)?;
        let sealed = answer.children().any(|child| child.has_tag_name("Encrypt"));
        match (self.account.mode, sealed) {
            (Mode::Plain, _) | (Mode::Compatible, false) => self.reply(answer),
            (Mode::Safe, false) => Err(BadAnswer::NotSealed),
            (Mode::Compatible | Mode::Safe, true) => {
                let opened = self.open(answer)?;
                self.reply(root(&parse(&opened)?)?)
            }
        }
        .map(Some)
    }

    fn open(&self, answer: Node) -> Result<Vec<u8>, BadAnswer> {
        let encrypt = take(answer, "Encrypt")?;
        let timestamp = take(answer, "TimeStamp")?;
        let nonce = take(answer, "Nonce")?;
        if timestamp.parse::<u64>().is_err() {
            return Err(BadAnswer::Element("TimeStamp"));
        }
        if nonce.is_empty() {
            return Err(BadAnswer::Element("Nonce"));
        }
        let signed = signature(&[self.account.token.text(), &timestamp, &nonce, &encrypt]);
        if take(answer, "MsgSignature")? != signed {
            return Err(BadAnswer::Element("MsgSignature"));
        }
        Ok(self.key.open(&self.account.app_id, &encrypt)?)
    }

    fn reply(&self, answer: Node) -> Result<String, BadAnswer> {
        let expect = |name: &'static str, fits: &dyn Fn(&str) -> bool| {
            if fits(&take(answer, name)?) { Ok(()) } else { Err(BadAnswer::Element(name)) }
        };
        expect("ToUserName", &|value| value == self.openid)?;
        expect("FromUserName", &|value| value == self.account.original_id)?;
        expect("CreateTime", &|value| value.parse::<u64>().is_ok())?;
        expect("MsgType", &|value| value == "text")?;
        let content = take(answer, "Content")?;
        match content.len() {
            0 => Err(BadAnswer::Element("Content")),
            1..=MAX_CONTENT => Ok(content),
            long => Err(BadAnswer::TooLong(long)),
        }
    }
}

fn parse(body: &[u8]) -> Result<Document<'_>, BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotXml)?;
    Document::parse(text).map_err(|_| BadAnswer::NotXml)
}

fn root<'a, 'input>(document: &'a Document<'input>) -> Result<Node<'a, 'input>, BadAnswer> {
    let root = document.root_element();
    if root.tag_name().name() == "xml" { Ok(root) } else { Err(BadAnswer::NotXml) }
}

/// The text of the one element of this name.
fn take(answer: Node, name: &'static str) -> Result<String, BadAnswer> {
    let mut found = answer.children().filter(|child| child.has_tag_name(name));
    match (found.next(), found.next()) {
        (Some(element), None) if element.children().all(|child| child.is_text()) => {
            Ok(element.children().filter_map(|child| child.text()).collect())
        }
        _ => Err(BadAnswer::Element(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<xml><ToUserName><![CDATA[oAnn]]></ToUserName><FromUserName><![CDATA[gh_1]]></FromUserName>\
        <CreateTime>7</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hi]]></Content></xml>";

    const RANDOM: [u8; 16] = [7; 16];

    fn account(mode: Mode) -> Account {
        Account { mode, original_id: "gh_1".to_owned(), ..Account::sample("secret".into(), "token".into()) }
    }

    fn shown_in(mode: Mode, status: u16, body: &str) -> Screen {
        let account = account(mode);
        judge(status, body.as_bytes(), Exchange { openid: "oAnn", account: &account, key: &account.aes_key })
    }

    fn shown(body: &str) -> Screen {
        shown_in(Mode::Plain, 200, body)
    }

    /// An answer that says so much in `Encrypt`, rightly signed.
    fn signed(encrypt: &str) -> String {
        let signature = signature(&["token", "7", "nonce", encrypt]);
        format!(
            "<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt><MsgSignature><![CDATA[{signature}]]></MsgSignature>\
             <TimeStamp>7</TimeStamp><Nonce><![CDATA[nonce]]></Nonce></xml>"
        )
    }

    fn sealed(answer: &str) -> String {
        signed(&account(Mode::Safe).aes_key.seal(Account::SAMPLE_APP_ID, RANDOM, answer.as_bytes()))
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
            assert_eq!(shown_in(Mode::Plain, status, "success"), Screen::Notice(BadAnswer::Status(status)));
        }
    }

    #[test]
    fn in_safe_mode_a_sealed_reply_is_shown_and_in_compatible_mode_either() {
        for (mode, body) in
            [(Mode::Safe, sealed(GOOD)), (Mode::Compatible, sealed(GOOD)), (Mode::Compatible, GOOD.to_owned())]
        {
            assert_eq!(shown_in(mode, 200, &body), Screen::Reply("hi".to_owned()), "{mode:?}");
            assert_eq!(shown_in(mode, 200, "success"), Screen::Nothing, "what says nothing needs no seal");
        }
        assert_eq!(shown_in(Mode::Safe, 200, GOOD), Screen::Notice(BadAnswer::NotSealed));
        assert_eq!(shown(&sealed(GOOD)), Screen::Notice(BadAnswer::Element("ToUserName")), "nobody opens it");
    }

    #[test]
    fn a_sealed_answer_has_to_be_right_in_every_part() {
        let element = BadAnswer::Element;
        let key = account(Mode::Safe).aes_key;
        let foreign: AesKey = "A".repeat(43).parse().unwrap();
        for (body, why) in [
            (sealed(GOOD).replace("<TimeStamp>7", "<TimeStamp>8"), element("MsgSignature")),
            (sealed(GOOD).replace("[nonce]", "[other]"), element("MsgSignature")),
            (sealed(GOOD).replace("<Encrypt>", "<Encrypt>x"), element("MsgSignature")),
            (sealed(GOOD).replace("<TimeStamp>7", "<TimeStamp>now"), element("TimeStamp")),
            (sealed(GOOD).replace("[nonce]", "[]"), element("Nonce")),
            (sealed(GOOD).replace("MsgSignature", "msg_signature"), element("MsgSignature")),
            (sealed(GOOD).replace("</xml>", "<Encrypt>x</Encrypt></xml>"), element("Encrypt")),
            (signed(&key.seal("wxother", RANDOM, GOOD.as_bytes())), BadAnswer::Seal(BadSeal::AppId)),
            (signed("bm90IGEgYmxvY2s="), BadAnswer::Seal(BadSeal::Blocks)),
            (sealed("success"), BadAnswer::NotXml),
            (sealed(&GOOD.replace("oAnn", "oBob")), element("ToUserName")),
        ] {
            assert_eq!(shown_in(Mode::Safe, 200, &body), Screen::Notice(why), "{body}");
        }
        let foreign = signed(&foreign.seal(Account::SAMPLE_APP_ID, RANDOM, GOOD.as_bytes()));
        assert!(matches!(shown_in(Mode::Safe, 200, &foreign), Screen::Notice(BadAnswer::Seal(_))));
    }
}
