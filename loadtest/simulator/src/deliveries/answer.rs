//! What the phone shows for a callback's answer. No I/O.
//!
//! Source: "Passive user reply message" and "Message encryption and decryption" of developers.weixin.qq.com. Of the
//! replies only text is simulated. The XML reader is not the one that the product uses, so that the two can't share a
//! mistake.

use roxmltree::{Document, Node};

use crate::{
    accounts::{EncryptionMode, SimulatedAccount},
    encryption::{CiphertextError, EncodingAesKey, signature},
};

/// What the phone shows after its user sent something to the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhoneScreen {
    Nothing,
    Reply(String),
    /// WeChat's own notice 该公众号暂时无法提供服务，请稍后再试 ("This account can't provide its service now").
    Notice(AnswerError),
}

/// The longest text that WeChat shows, in bytes of UTF-8.
const MAX_CONTENT: usize = 2048;

/// Why WeChat shows its notice instead of the account's answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No attempt to deliver was answered.
    #[error("no attempt to deliver was answered")]
    NoAnswer,
    /// WeChat made no attempt, because too many have failed before (`MarkFail`).
    #[error("WeChat pushes nothing to this account for a while, because too many pushes failed")]
    MarkedFail,
    /// The status is not 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The body is neither `success`, nor empty, nor an XML document.
    #[error("the answer is neither `success`, nor empty, nor an <xml> document")]
    NotXml,
    /// This element is missing, or occurs twice, or has an impossible value.
    #[error("the answer's {0} is missing, repeated or wrong")]
    Element(&'static str),
    /// The answer is plain, but the account is in safe mode.
    #[error("the answer is not encrypted, but safe mode requires it")]
    NotEncrypted,
    /// The answer can't be decrypted with the message's key.
    #[error("the answer's Encrypt can't be decrypted: {0}")]
    Ciphertext(#[from] CiphertextError),
    /// The text is longer than WeChat accepts.
    #[error("the answer's Content has {0} bytes; WeChat takes 2048")]
    TooLong(usize),
}

/// Who receives the answer, from which account, and how it has to be encrypted.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerContext<'a> {
    pub(super) openid: &'a str,
    pub(super) account: &'a SimulatedAccount,
    /// The key of the message.
    pub(super) key: &'a EncodingAesKey,
}

/// What the phone shows for this answer.
pub(super) fn screen_for(status: u16, body: &[u8], context: AnswerContext) -> PhoneScreen {
    match context.read(status, body) {
        Ok(None) => PhoneScreen::Nothing,
        Ok(Some(text)) => PhoneScreen::Reply(text),
        Err(error) => PhoneScreen::Notice(error),
    }
}

impl AnswerContext<'_> {
    fn read(&self, status: u16, body: &[u8]) -> Result<Option<String>, AnswerError> {
        if status != 200 {
            return Err(AnswerError::Status(status));
        }
        // These are never encrypted, whatever the mode.
        if body.is_empty() || body == b"success" {
            return Ok(None);
        }
        let document = parse(body)?;
        let answer = root(&document)?;
        let encrypted = answer.children().any(|child| child.has_tag_name("Encrypt"));
        match (self.account.mode, encrypted) {
            (EncryptionMode::Plain, _) | (EncryptionMode::Compatible, false) => self.reply(answer),
            (EncryptionMode::Safe, false) => Err(AnswerError::NotEncrypted),
            (EncryptionMode::Compatible | EncryptionMode::Safe, true) => {
                let decrypted = self.decrypt(answer)?;
                self.reply(root(&parse(&decrypted)?)?)
            }
        }
        .map(Some)
    }

    fn decrypt(&self, answer: Node) -> Result<Vec<u8>, AnswerError> {
        let encrypt = take(answer, "Encrypt")?;
        let timestamp = take(answer, "TimeStamp")?;
        let nonce = take(answer, "Nonce")?;
        if timestamp.parse::<u64>().is_err() {
            return Err(AnswerError::Element("TimeStamp"));
        }
        if nonce.is_empty() {
            return Err(AnswerError::Element("Nonce"));
        }
        let expected = signature(&[self.account.token.text(), &timestamp, &nonce, &encrypt]);
        if take(answer, "MsgSignature")? != expected {
            return Err(AnswerError::Element("MsgSignature"));
        }
        Ok(self.key.decrypt(&self.account.app_id, &encrypt)?)
    }

    fn reply(&self, answer: Node) -> Result<String, AnswerError> {
        let expect = |name: &'static str, fits: &dyn Fn(&str) -> bool| {
            if fits(&take(answer, name)?) { Ok(()) } else { Err(AnswerError::Element(name)) }
        };
        expect("ToUserName", &|value| value == self.openid)?;
        expect("FromUserName", &|value| value == self.account.original_id)?;
        expect("CreateTime", &|value| value.parse::<u64>().is_ok())?;
        expect("MsgType", &|value| value == "text")?;
        let content = take(answer, "Content")?;
        match content.len() {
            0 => Err(AnswerError::Element("Content")),
            1..=MAX_CONTENT => Ok(content),
            long => Err(AnswerError::TooLong(long)),
        }
    }
}

fn parse(body: &[u8]) -> Result<Document<'_>, AnswerError> {
    let text = std::str::from_utf8(body).map_err(|_| AnswerError::NotXml)?;
    Document::parse(text).map_err(|_| AnswerError::NotXml)
}

fn root<'a, 'input>(document: &'a Document<'input>) -> Result<Node<'a, 'input>, AnswerError> {
    let root = document.root_element();
    if root.tag_name().name() == "xml" { Ok(root) } else { Err(AnswerError::NotXml) }
}

/// The text of the only element with this name.
fn take(answer: Node, name: &'static str) -> Result<String, AnswerError> {
    let mut found = answer.children().filter(|child| child.has_tag_name(name));
    match (found.next(), found.next()) {
        (Some(element), None) if element.children().all(|child| child.is_text()) => {
            Ok(element.children().filter_map(|child| child.text()).collect())
        }
        _ => Err(AnswerError::Element(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<xml><ToUserName><![CDATA[oAnn]]></ToUserName><FromUserName><![CDATA[gh_1]]></FromUserName>\
        <CreateTime>7</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hi]]></Content></xml>";

    const RANDOM: [u8; 16] = [7; 16];

    fn account(mode: EncryptionMode) -> SimulatedAccount {
        SimulatedAccount {
            mode,
            original_id: "gh_1".to_owned(),
            ..SimulatedAccount::sample("secret".into(), "token".into())
        }
    }

    fn shown_in(mode: EncryptionMode, status: u16, body: &str) -> PhoneScreen {
        let account = account(mode);
        screen_for(status, body.as_bytes(), AnswerContext { openid: "oAnn", account: &account, key: &account.aes_key })
    }

    fn shown(body: &str) -> PhoneScreen {
        shown_in(EncryptionMode::Plain, 200, body)
    }

    /// An answer with this `Encrypt` and a correct signature.
    fn signed(encrypt: &str) -> String {
        let signature = signature(&["token", "7", "nonce", encrypt]);
        format!(
            "<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt><MsgSignature><![CDATA[{signature}]]></MsgSignature>\
             <TimeStamp>7</TimeStamp><Nonce><![CDATA[nonce]]></Nonce></xml>"
        )
    }

    fn encrypted(answer: &str) -> String {
        signed(&account(EncryptionMode::Safe).aes_key.encrypt(
            SimulatedAccount::SAMPLE_APP_ID,
            RANDOM,
            answer.as_bytes(),
        ))
    }

    #[test]
    fn success_and_an_empty_body_show_nothing() {
        assert_eq!([shown("success"), shown("")], [PhoneScreen::Nothing, PhoneScreen::Nothing]);
    }

    #[test]
    fn a_text_reply_is_shown() {
        for (body, text) in [
            (GOOD.to_owned(), "hi".to_owned()),
            (GOOD.replace("<![CDATA[hi]]>", "a &lt;b&gt;\n好"), "a <b>\n好".to_owned()),
            (GOOD.replace("<![CDATA[hi]]>", "<![CDATA[a ]]]]><![CDATA[> b]]>"), "a ]]> b".to_owned()),
            (GOOD.replace("hi", &"x".repeat(2048)), "x".repeat(2048)),
        ] {
            assert_eq!(shown(&body), PhoneScreen::Reply(text), "{body}");
        }
    }

    #[test]
    fn any_other_answer_shows_wechats_notice() {
        let element = AnswerError::Element;
        for (body, error) in [
            ("success\n".to_owned(), AnswerError::NotXml),
            ("SUCCESS".to_owned(), AnswerError::NotXml),
            ("\"success\"".to_owned(), AnswerError::NotXml),
            (" ".to_owned(), AnswerError::NotXml),
            ("{\"errcode\":0}".to_owned(), AnswerError::NotXml),
            ("<html><body>502</body></html>".to_owned(), AnswerError::NotXml),
            (GOOD[..GOOD.len() - 1].to_owned(), AnswerError::NotXml),
            (format!("{GOOD}tail"), AnswerError::NotXml),
            (GOOD.replace("hi", "a ]]> b"), AnswerError::NotXml),
            (GOOD.replace("hi", "a\u{8}b"), AnswerError::NotXml),
            (format!("<!DOCTYPE xml>{GOOD}"), AnswerError::NotXml),
            (GOOD.replace("oAnn", "oBob"), element("ToUserName")),
            (GOOD.replace("gh_1", "gh_2"), element("FromUserName")),
            (GOOD.replace("<CreateTime>7", "<CreateTime>soon"), element("CreateTime")),
            (GOOD.replace("<CreateTime>7</CreateTime>", ""), element("CreateTime")),
            (GOOD.replace("[text]", "[Text]"), element("MsgType")),
            (GOOD.replace("hi", ""), element("Content")),
            (GOOD.replace("<![CDATA[hi]]>", "<b>hi</b>"), element("Content")),
            (GOOD.replace("</xml>", "<Content>hi</Content></xml>"), element("Content")),
            (GOOD.replace("hi", &"好".repeat(683)), AnswerError::TooLong(2049)),
        ] {
            assert_eq!(shown(&body), PhoneScreen::Notice(error), "{body}");
        }
    }

    #[test]
    fn another_status_than_200_shows_wechats_notice() {
        for status in [204, 301, 403, 500] {
            assert_eq!(
                shown_in(EncryptionMode::Plain, status, "success"),
                PhoneScreen::Notice(AnswerError::Status(status))
            );
        }
    }

    #[test]
    fn safe_mode_shows_an_encrypted_reply_and_compatible_mode_shows_both() {
        for (mode, body) in [
            (EncryptionMode::Safe, encrypted(GOOD)),
            (EncryptionMode::Compatible, encrypted(GOOD)),
            (EncryptionMode::Compatible, GOOD.to_owned()),
        ] {
            assert_eq!(shown_in(mode, 200, &body), PhoneScreen::Reply("hi".to_owned()), "{mode:?}");
            assert_eq!(
                shown_in(mode, 200, "success"),
                PhoneScreen::Nothing,
                "an answer without a reply needs no encryption"
            );
        }
        assert_eq!(shown_in(EncryptionMode::Safe, 200, GOOD), PhoneScreen::Notice(AnswerError::NotEncrypted));
        assert_eq!(
            shown(&encrypted(GOOD)),
            PhoneScreen::Notice(AnswerError::Element("ToUserName")),
            "plain mode decrypts nothing"
        );
    }

    #[test]
    fn an_encrypted_answer_has_to_be_right_in_every_part() {
        let element = AnswerError::Element;
        let key = account(EncryptionMode::Safe).aes_key;
        let foreign: EncodingAesKey = "A".repeat(43).parse().unwrap();
        for (body, error) in [
            (encrypted(GOOD).replace("<TimeStamp>7", "<TimeStamp>8"), element("MsgSignature")),
            (encrypted(GOOD).replace("[nonce]", "[other]"), element("MsgSignature")),
            (encrypted(GOOD).replace("<Encrypt>", "<Encrypt>x"), element("MsgSignature")),
            (encrypted(GOOD).replace("<TimeStamp>7", "<TimeStamp>now"), element("TimeStamp")),
            (encrypted(GOOD).replace("[nonce]", "[]"), element("Nonce")),
            (encrypted(GOOD).replace("MsgSignature", "msg_signature"), element("MsgSignature")),
            (encrypted(GOOD).replace("</xml>", "<Encrypt>x</Encrypt></xml>"), element("Encrypt")),
            (signed(&key.encrypt("wxother", RANDOM, GOOD.as_bytes())), AnswerError::Ciphertext(CiphertextError::AppId)),
            (signed("bm90IGEgYmxvY2s="), AnswerError::Ciphertext(CiphertextError::Blocks)),
            (encrypted("success"), AnswerError::NotXml),
            (encrypted(&GOOD.replace("oAnn", "oBob")), element("ToUserName")),
        ] {
            assert_eq!(shown_in(EncryptionMode::Safe, 200, &body), PhoneScreen::Notice(error), "{body}");
        }
        let foreign = signed(&foreign.encrypt(SimulatedAccount::SAMPLE_APP_ID, RANDOM, GOOD.as_bytes()));
        assert!(matches!(
            shown_in(EncryptionMode::Safe, 200, &foreign),
            PhoneScreen::Notice(AnswerError::Ciphertext(_))
        ));
    }
}
