//! How a message comes out of a request, and how its reply goes back: in the account's mode. The request never chooses
//! the mode, because an attacker would choose the weakest one.
//!
//! In safe and compatible mode `msg_signature` covers the encrypted text, and we read nothing else. WeChat sends
//! `signature` too, and says not to verify it there: it covers less, so we ignore it.

use axum::{
    extract::Query,
    http::{StatusCode, Uri},
};
use scenecast_scene::{Rotating, time::unix_now};
use scenecast_service::http::Problem;
use scenecast_wechat::{
    AesKey, DecryptError, EncryptedMessage, Message, MessageError, ReplyEncryption, SignatureError, SignedQuery,
    text_reply,
};
use serde::Deserialize;

use crate::accounts::Account;

/// The query of each request of WeChat.
#[derive(Deserialize)]
pub(super) struct DeliveryQuery {
    timestamp: String,
    nonce: String,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    msg_signature: Option<String>,
    #[serde(default)]
    encrypt_type: Option<String>,
    #[serde(default)]
    pub(super) echostr: Option<String>,
}

impl DeliveryQuery {
    pub(super) fn read(uri: &Uri) -> Result<Self, Problem> {
        let Query(query) = Query::<Self>::try_from_uri(uri)
            .map_err(|_| Problem::bad_request("the query lacks timestamp or nonce, or has one twice"))?;
        Ok(query)
    }

    /// Verifies `signature`, which covers no body.
    pub(super) fn verify(&self, account: &Account) -> Result<SignedQuery<'_>, Problem> {
        let signed = self.signed("signature", self.signature.as_deref())?;
        signed.verify(&account.settings.token, unix_now().as_secs()).map_err(bad_signature)?;
        Ok(signed)
    }

    fn signed<'a>(&'a self, name: &str, value: Option<&'a str>) -> Result<SignedQuery<'a>, Problem> {
        let signature = value.ok_or_else(|| Problem::bad_request(format!("the query lacks {name}")))?;
        Ok(SignedQuery { signature, timestamp: &self.timestamp, nonce: &self.nonce })
    }
}

/// The form that a delivery must have.
pub(super) enum Envelope<'a> {
    /// Plain mode. The signature covers no body, so the replay guard has to check the body.
    Plain(SignedQuery<'a>),
    /// Encrypted with one of these keys. The signature covers the encrypted text.
    Encrypted(SignedQuery<'a>, &'a Rotating<AesKey>),
}

impl<'a> Envelope<'a> {
    /// The form that the account's mode asks for. It is an error if the query has another form. In plain mode this
    /// verifies the signature.
    pub(super) fn expected(account: &'a Account, query: &'a DeliveryQuery) -> Result<Self, Problem> {
        let encrypted = match query.encrypt_type.as_deref() {
            None | Some("raw") => false,
            Some("aes") => true,
            Some(_) => return Err(Problem::bad_request("encrypt_type is neither raw nor aes")),
        };
        match (account.settings.encryption(), encrypted) {
            (None, false) => Ok(Self::Plain(query.verify(account)?)),
            (None, true) => Err(mode_mismatch("plain")),
            (Some(_), false) => Err(mode_mismatch("encrypted")),
            (Some(keys), true) => {
                let signed = query.signed("msg_signature", query.msg_signature.as_deref())?;
                Ok(Self::Encrypted(signed, keys))
            }
        }
    }

    /// The signature, if it doesn't cover the body.
    pub(super) fn signature_without_body(&self) -> Option<SignedQuery<'a>> {
        match self {
            Self::Plain(signed) => Some(*signed),
            Self::Encrypted(..) => None,
        }
    }

    /// Takes the message out of the body.
    pub(super) fn open(&self, account: &'a Account, body: &[u8]) -> Result<ReceivedMessage<'a>, Problem> {
        let received = match self {
            Self::Plain(_) => ReceivedMessage { message: Message::parse(body).map_err(bad_message)?, encryption: None },
            Self::Encrypted(signed, keys) => decrypt(account, *signed, keys, body)?,
        };
        if received.message.to == account.settings.original_id { Ok(received) } else { Err(wrong_account()) }
    }
}

/// Checks the signature first, then decrypts, then checks the app id. So an attacker who can't sign learns nothing
/// about the later steps.
fn decrypt<'a>(
    account: &'a Account,
    signed: SignedQuery<'a>,
    keys: &'a Rotating<AesKey>,
    body: &[u8],
) -> Result<ReceivedMessage<'a>, Problem> {
    let encrypted = EncryptedMessage::parse(body).map_err(bad_message)?;
    let encrypted = encrypted.ok_or_else(|| mode_mismatch("encrypted"))?;
    let settings = &account.settings;
    let token =
        signed.verify_encrypted(&encrypted.encrypted, &settings.token, unix_now().as_secs()).map_err(bad_signature)?;
    let (message, key) =
        AesKey::decrypt_with_any(keys, &encrypted.encrypted, &settings.app_id).map_err(|error| match error {
            DecryptError::AnotherApp => wrong_account(),
            DecryptError::Malformed | DecryptError::Unreadable => {
                Problem::new(StatusCode::BAD_REQUEST, "undecryptable", error.to_string())
            }
        })?;
    if encrypted.to != settings.original_id {
        return Err(wrong_account());
    }
    let message = Message::parse(&message).map_err(bad_message)?;
    Ok(ReceivedMessage {
        message,
        encryption: Some(ReplyEncryption { key, token, app_id: &settings.app_id, nonce: signed.nonce }),
    })
}

/// A message of WeChat for this account.
pub(super) struct ReceivedMessage<'a> {
    pub(super) message: Message,
    /// How its reply is encrypted; `None` in plain mode.
    encryption: Option<ReplyEncryption<'a>>,
}

impl ReceivedMessage<'_> {
    /// The body of an answer that shows this text to the sender.
    pub(super) fn text_reply(&self, text: &str) -> String {
        let now = unix_now().as_secs();
        let reply = text_reply(&self.message, text, now);
        match &self.encryption {
            None => reply,
            Some(encryption) => encryption.encrypt(&reply, rand::random(), now),
        }
    }
}

fn bad_message(error: MessageError) -> Problem {
    Problem::bad_request(error.to_string())
}

fn bad_signature(error: SignatureError) -> Problem {
    forbidden("signature_invalid", error.to_string())
}

fn mode_mismatch(expected: &str) -> Problem {
    forbidden("mode_mismatch", format!("this account is configured for {expected} messages"))
}

fn wrong_account() -> Problem {
    forbidden("wrong_account", "the message is for another account")
}

/// A 403.
pub(super) fn forbidden(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}
