//! How a message comes out of a request, and how its reply goes back: in the account's mode, which
//! is never the request's to choose, since it would choose the weakest.
//!
//! In safe and compatible mode `msg_signature` covers what is encrypted, and that alone is read.
//! `signature`, which WeChat sends there as well and says not to verify, covers less of the same
//! and is passed over, right or wrong.

use axum::{
    extract::Query,
    http::{StatusCode, Uri},
};
use scenecast_shared::{
    scene::Rotating,
    serve::Problem,
    time::unix_now,
    wechat::{AesKey, BadMessage, BadSignature, Message, Seal, Sealed, Signed, Undecryptable, text_reply},
};
use serde::Deserialize;

use super::forbidden;
use crate::accounts::Account;

/// The query of every request that WeChat makes.
#[derive(Deserialize)]
pub(super) struct WebhookQuery {
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

impl WebhookQuery {
    pub(super) fn read(uri: &Uri) -> Result<Self, Problem> {
        let Query(query) = Query::<Self>::try_from_uri(uri)
            .map_err(|_| Problem::bad_request("the query lacks timestamp or nonce, or has one twice"))?;
        Ok(query)
    }

    /// Checks `signature`, which covers no body.
    pub(super) fn verify(&self, account: &Account) -> Result<Signed<'_>, Problem> {
        let signed = self.signed("signature", self.signature.as_deref())?;
        signed.verify(&account.settings.token, unix_now().as_secs()).map_err(unsigned)?;
        Ok(signed)
    }

    fn signed<'a>(&'a self, name: &str, value: Option<&'a str>) -> Result<Signed<'a>, Problem> {
        let signature = value.ok_or_else(|| Problem::bad_request(format!("the query lacks {name}")))?;
        Ok(Signed { signature, timestamp: &self.timestamp, nonce: &self.nonce })
    }
}

/// What a delivery has to be in.
pub(super) enum Envelope<'a> {
    /// Nothing, in plain mode: whoever has seen one signature could put any body under it.
    Plain(Signed<'a>),
    /// Encryption with one of these keys, under this signature.
    Sealed(Signed<'a>, &'a Rotating<AesKey>),
}

impl<'a> Envelope<'a> {
    /// The one that the account's mode asks for, if the query doesn't speak of another; where the
    /// signature covers no body, it has been verified.
    pub(super) fn expected(account: &'a Account, query: &'a WebhookQuery) -> Result<Self, Problem> {
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
                Ok(Self::Sealed(signed, keys))
            }
        }
    }

    /// The signature, where it doesn't cover the body.
    pub(super) fn beside_the_body(&self) -> Option<Signed<'a>> {
        match self {
            Self::Plain(signed) => Some(*signed),
            Self::Sealed(..) => None,
        }
    }

    /// Takes the message out.
    pub(super) fn open(&self, account: &'a Account, body: &[u8]) -> Result<Received<'a>, Problem> {
        let received = match self {
            Self::Plain(_) => Received { message: Message::parse(body).map_err(no_message)?, seal: None },
            Self::Sealed(signed, keys) => unseal(account, *signed, keys, body)?,
        };
        if received.message.to == account.settings.original_id { Ok(received) } else { Err(wrong_account()) }
    }
}

/// Signature first, then encryption, then app id: nobody who can't sign learns how far it got.
fn unseal<'a>(
    account: &'a Account,
    signed: Signed<'a>,
    keys: &'a Rotating<AesKey>,
    body: &[u8],
) -> Result<Received<'a>, Problem> {
    let sealed = Sealed::parse(body).map_err(no_message)?;
    let sealed = sealed.ok_or_else(|| mode_mismatch("encrypted"))?;
    let settings = &account.settings;
    let token = signed.verify_over(&sealed.encrypted, &settings.token, unix_now().as_secs()).map_err(unsigned)?;
    let (message, key) = keys.decrypt(&sealed.encrypted, &settings.app_id).map_err(|error| match error {
        Undecryptable::AnotherApp => wrong_account(),
        Undecryptable::Malformed | Undecryptable::Unreadable => {
            Problem::new(StatusCode::BAD_REQUEST, "undecryptable", error.to_string())
        }
    })?;
    if sealed.to != settings.original_id {
        return Err(wrong_account());
    }
    let message = Message::parse(&message).map_err(no_message)?;
    Ok(Received { message, seal: Some(Seal { key, token, app_id: &settings.app_id, nonce: signed.nonce }) })
}

/// A message of WeChat's, for this account.
pub(super) struct Received<'a> {
    pub(super) message: Message,
    seal: Option<Seal<'a>>,
}

impl Received<'_> {
    /// What shows this text to whoever sent the message.
    pub(super) fn text_reply(&self, text: &str) -> String {
        let now = unix_now().as_secs();
        let reply = text_reply(&self.message, text, now);
        match &self.seal {
            None => reply,
            Some(seal) => seal.close(&reply, rand::random(), now),
        }
    }
}

fn no_message(error: BadMessage) -> Problem {
    Problem::bad_request(error.to_string())
}

fn unsigned(error: BadSignature) -> Problem {
    forbidden("signature_invalid", error.to_string())
}

fn mode_mismatch(expected: &str) -> Problem {
    forbidden("mode_mismatch", format!("this account is configured for {expected} messages"))
}

fn wrong_account() -> Problem {
    forbidden("wrong_account", "the message is for another account")
}
