//! The XML documents around encrypted messages and encrypted replies.

use crate::{
    crypto::AesKey,
    error::MessageError,
    signature::sign,
    xml::{XmlElement, XmlValue, write},
};
use scenecast_scene::Secret;

/// The most texts that [`EncryptedMessage::find_in`] finds. WeChat writes its own `Encrypt` last, and a person can
/// write more of them before it.
const MAX_FOUND: usize = 8;

/// The document that WeChat posts in safe and compatible mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedMessage {
    /// `ToUserName`: the account's original id. No signature covers it. `None` if the document isn't well-formed.
    pub to: Option<String>,
    /// `Encrypt`: the message, in base64. Never empty.
    pub encrypted: String,
}

impl EncryptedMessage {
    /// Reads a document. `None` if it has no `Encrypt`. In compatible mode it also has the message as plain text; that is
    /// ignored, because no signature covers it.
    pub fn parse(body: &[u8]) -> Result<Option<Self>, MessageError> {
        let mut root = XmlElement::read(body)?;
        match root.take_optional_text("Encrypt")? {
            None => Ok(None),
            Some(encrypted) if encrypted.is_empty() => Err(MessageError::InvalidElement("Encrypt")),
            Some(encrypted) => Ok(Some(Self { to: Some(root.take_recipient()?), encrypted })),
        }
    }

    /// Finds texts that may be `Encrypt` in a document that can't be read. In compatible mode WeChat copies what a
    /// person wrote into the document, and that may break it: it may have `]]>` and tags, or be cut inside a character.
    /// The signature says which text is WeChat's.
    pub fn find_in(body: &[u8]) -> Vec<Self> {
        let text = String::from_utf8_lossy(body);
        let values = text.rsplit("<Encrypt>").take(MAX_FOUND).filter_map(|rest| rest.split_once("</Encrypt>"));
        let content = |(value, _): (&str, &str)| {
            let value = value.trim();
            let inner = value.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
            inner.unwrap_or(value).to_owned()
        };
        let filled = values.map(content).filter(|encrypted| !encrypted.is_empty());
        filled.map(|encrypted| Self { to: None, encrypted }).collect()
    }
}

/// How a reply is encrypted and signed: with the secrets of its message. So while the secrets are changed, a reply always
/// has the secrets that WeChat used.
#[derive(Debug, Clone, Copy)]
pub struct ReplyEncryption<'a> {
    /// The key that decrypted the message.
    pub key: &'a AesKey,
    /// The token that the message was signed with.
    pub token: &'a Secret,
    /// The account's app id.
    pub app_id: &'a str,
    /// The request's `nonce`. WeChat accepts it for the reply, too.
    pub nonce: &'a str,
}

impl ReplyEncryption<'_> {
    /// Encrypts and signs a reply: returns the XML document for WeChat. The random bytes must be new for each reply;
    /// `now_secs` is unix seconds.
    pub fn encrypt(&self, reply: &str, random: [u8; 16], now_secs: u64) -> String {
        let encrypted = self.key.encrypt(reply.as_bytes(), self.app_id, random);
        let signature = sign(&[self.token.text(), &now_secs.to_string(), self.nonce, &encrypted]);
        write(&[
            ("Encrypt", XmlValue::Text(&encrypted)),
            ("MsgSignature", XmlValue::Text(&signature)),
            ("TimeStamp", XmlValue::Number(now_secs)),
            ("Nonce", XmlValue::Text(self.nonce)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::SignedQuery;
    use scenecast_scene::Rotating;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const APP: &str = "wxba5fad812f8e6fb9";

    fn parse(body: &str) -> Result<Option<EncryptedMessage>, MessageError> {
        EncryptedMessage::parse(body.as_bytes())
    }

    fn encrypt(nonce: &str, reply: &str) -> String {
        let key = KEY.parse().unwrap();
        let token = "AAAAA".into();
        ReplyEncryption { key: &key, token: &token, app_id: APP, nonce }.encrypt(
            reply,
            *b"707722b803182950",
            1_713_424_427,
        )
    }

    #[test]
    fn the_encrypted_message_is_read_and_plain_elements_are_ignored() {
        let expected = EncryptedMessage { to: Some("gh_1".to_owned()), encrypted: "a+/=".to_owned() };
        for body in [
            "<xml>\n<ToUserName><![CDATA[gh_1]]></ToUserName>\n<Encrypt><![CDATA[a+/=]]></Encrypt>\n</xml>\n",
            "<xml><Encrypt>a+/=</Encrypt><ToUserName>gh_1</ToUserName><AgentID/></xml>",
            "<xml><ToUserName>gh_1</ToUserName><FromUserName>oAnn</FromUserName><CreateTime>1</CreateTime>\
             <MsgType>event</MsgType><Event>SCAN</Event><EventKey>x</EventKey><Encrypt>a+/=</Encrypt></xml>",
        ] {
            assert_eq!(parse(body), Ok(Some(expected.clone())), "{body}");
        }
    }

    #[test]
    fn a_document_without_encryption_differs_from_a_malformed_one() {
        assert_eq!(parse("<xml><ToUserName>gh_1</ToUserName><MsgType>text</MsgType></xml>"), Ok(None));
        assert_eq!(parse("<xml><A><Encrypt>x</Encrypt></A></xml>"), Ok(None));
        for (body, why) in [
            ("<xml><ToUserName>gh_1</ToUserName><Encrypt></Encrypt></xml>", MessageError::InvalidElement("Encrypt")),
            ("<xml><ToUserName>gh_1</ToUserName><Encrypt/></xml>", MessageError::InvalidElement("Encrypt")),
            ("<xml><Encrypt>x</Encrypt></xml>", MessageError::InvalidElement("ToUserName")),
            (
                "<xml><Encrypt>x</Encrypt><ToUserName>gh_1</ToUserName><Encrypt>y</Encrypt></xml>",
                MessageError::DuplicateElement,
            ),
            ("<!DOCTYPE xml><xml><Encrypt>x</Encrypt></xml>", MessageError::Doctype),
            ("<xml><Encrypt>x</Encrypt>", MessageError::NotXml),
            ("", MessageError::NotXml),
        ] {
            assert_eq!(parse(body), Err(why), "{body}");
        }
    }

    #[test]
    fn in_a_document_that_a_person_broke_the_encrypted_message_is_found() {
        for content in [
            &b"]]> <b>"[..],
            b"]]></Content><Encrypt>x</Encrypt><Content><![CDATA[",
            b"\xf0\x9f\x98",
            b"]]>&e;",
            b"]]></xml>",
        ] {
            let body = [
                &b"<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Content><![CDATA["[..],
                content,
                b"]]></Content>\n<Encrypt><![CDATA[a+/=]]></Encrypt>\n</xml>",
            ]
            .concat();
            assert!(EncryptedMessage::parse(&body).is_err(), "{}", String::from_utf8_lossy(&body));
            let found = EncryptedMessage::find_in(&body);
            let expected = EncryptedMessage { to: None, encrypted: "a+/=".to_owned() };
            assert!(found.contains(&expected), "{}: {found:?}", String::from_utf8_lossy(&body));
        }
        assert_eq!(EncryptedMessage::find_in(b"<xml><Encrypt></Encrypt><Encrypt>a"), []);
        let many = "<Encrypt>x</Encrypt>".repeat(1000);
        assert_eq!(EncryptedMessage::find_in(many.as_bytes()).len(), MAX_FOUND);
    }

    #[test]
    fn what_is_for_a_third_party_platform_is_named() {
        let ticket = "<xml><AppId><![CDATA[wx1]]></AppId><Encrypt><![CDATA[a+/=]]></Encrypt></xml>";
        assert_eq!(parse(ticket), Err(MessageError::ThirdPartyPlatform));
        assert_eq!(parse("{\"ToUserName\":\"gh_1\",\"Encrypt\":\"a\"}"), Err(MessageError::Json));
    }

    #[test]
    fn wechats_published_reply_is_encrypted_in_the_same_way() {
        assert_eq!(
            encrypt("415670741", "{\"demo_resp\":\"good luck\"}"),
            "<xml><Encrypt><![CDATA[ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ\
             ==]]></Encrypt><MsgSignature><![CDATA[1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1]]></MsgSignature>\
             <TimeStamp>1713424427</TimeStamp><Nonce><![CDATA[415670741]]></Nonce></xml>"
        );
    }

    #[test]
    fn no_nonce_breaks_the_document() {
        for nonce in ["", "]]>", "<x>&y;", "随机"] {
            let mut root = XmlElement::read(encrypt(nonce, "hi").as_bytes()).unwrap();
            let mut take = |name| root.take_text(name).unwrap();
            let signature = take("MsgSignature");
            let timestamp = take("TimeStamp");
            let encrypted = take("Encrypt");
            assert_eq!(take("Nonce"), nonce);
            let signed = SignedQuery { signature: &signature, timestamp: &timestamp, nonce };
            assert!(signed.verify_encrypted(&encrypted, &Rotating::fixed("AAAAA"), 1_713_424_427).is_ok());
        }
    }
}
