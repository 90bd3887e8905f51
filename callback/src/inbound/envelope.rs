//! How a message comes out of a request, and how its reply goes back: in the account's mode. The request never chooses
//! the mode, because an attacker would choose the weakest one.
//!
//! In safe and compatible mode `msg_signature` covers the encrypted text, and we read nothing else. WeChat sends
//! `signature` too, and says not to verify it there: it covers less, so we ignore it.
//!
//! What WeChat has signed and we can't read is acknowledged and never acted upon: with an error, WeChat would deliver
//! it three times and tell the person that the account is out of order. In compatible mode a person's text may break
//! the document around the encrypted message; then the signature finds it.
//!
//! In plain mode a request with a right signature uses it up, whatever else is wrong with the request. So those checks come
//! when the envelope is opened, and the receiver claims the signature whether or not that succeeds.

use axum::{
    extract::Query,
    http::{StatusCode, Uri},
};
use scenecast_scene::{Rotating, time::unix_now};
use scenecast_service::http::Problem;
use scenecast_wechat::{
    AesKey, DecryptError, EncryptedMessage, Message, MessageError, ReplyEncryption, SignatureError, SignedQuery,
    VerifiedSignature, text_reply,
};
use serde::Deserialize;

use super::wechat_clock::WechatClock;
use crate::accounts::Account;

/// The longest nonce. With a longer one, an attacker could move the first three blocks of an encrypted text into the nonce
/// (64 characters) without changing what the signature covers. WeChat's own have ten characters.
const MAX_NONCE_BYTES: usize = 63;

/// Why a request to WeChat's address is not acted upon.
#[derive(Debug)]
pub(super) enum DeliveryRefusal {
    /// It isn't WeChat's, or nobody can use it.
    Problem(Problem),
    /// It is rightly signed, at a time that is far from our clock.
    Stale {
        /// The signer's clock less ours, in seconds.
        ahead_secs: i64,
    },
}

impl From<Problem> for DeliveryRefusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Why no message came out of an envelope.
#[derive(Debug)]
pub(super) enum OpenError {
    Refused(DeliveryRefusal),
    /// It is WeChat's, and what is in it can't be read: WeChat may have copied what a person wrote as it is.
    Unreadable(MessageError),
}

impl From<Problem> for OpenError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.into())
    }
}

impl From<SignatureError> for OpenError {
    fn from(error: SignatureError) -> Self {
        Self::Refused(match error {
            SignatureError::Stale { ahead_secs } => DeliveryRefusal::Stale { ahead_secs },
            SignatureError::Mismatch | SignatureError::NoTime => DeliveryRefusal::Problem(bad_signature(error)),
        })
    }
}

/// The query of each request of WeChat.
#[derive(Deserialize)]
pub(super) struct DeliveryQuery {
    timestamp: String,
    nonce: String,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    pub(super) msg_signature: Option<String>,
    #[serde(default)]
    encrypt_type: Option<String>,
    #[serde(default)]
    pub(super) echostr: Option<String>,
}

impl DeliveryQuery {
    pub(super) fn read(uri: &Uri) -> Result<Self, Problem> {
        let Query(query) = Query::<Self>::try_from_uri(uri)
            .map_err(|_| Problem::bad_request("the query lacks timestamp or nonce, or has one twice"))?;
        if query.nonce.len() > MAX_NONCE_BYTES {
            return Err(Problem::bad_request("the nonce is too long"));
        }
        Ok(query)
    }

    /// Verifies `signature`, which covers no body.
    pub(super) fn verify(&self, account: &Account, clock: &WechatClock) -> Result<BareSignature<'_>, Problem> {
        let signed = self.signed("signature", self.signature.as_deref())?;
        let now_secs = unix_now().as_secs();
        let (ahead_secs, timely) = match observed(signed.verify(&account.settings.token, now_secs), now_secs, clock) {
            Err(error @ (SignatureError::Mismatch | SignatureError::NoTime)) => return Err(bad_signature(error)),
            Ok(VerifiedSignature { token, ahead_secs }) => {
                account.count_token(token);
                (ahead_secs, Ok(()))
            }
            Err(error @ SignatureError::Stale { ahead_secs }) => (ahead_secs, Err(error)),
        };
        Ok(BareSignature { text: signed.signature, signed_at: clock.signed_at(now_secs, ahead_secs), timely })
    }

    /// `signature`, as far as it is there.
    pub(super) fn bare_signature(&self) -> Option<SignedQuery<'_>> {
        let signature = self.signature.as_deref()?;
        Some(SignedQuery { signature, timestamp: &self.timestamp, nonce: &self.nonce })
    }

    fn signed<'a>(&'a self, name: &str, value: Option<&'a str>) -> Result<SignedQuery<'a>, Problem> {
        let signature = value.ok_or_else(|| Problem::bad_request(format!("the query lacks {name}")))?;
        Ok(SignedQuery { signature, timestamp: &self.timestamp, nonce: &self.nonce })
    }
}

/// A `signature` that was made with the account's token. It covers no content.
#[derive(Clone, Copy)]
pub(super) struct BareSignature<'a> {
    pub(super) text: &'a str,
    /// In unix seconds by our clock.
    pub(super) signed_at: u64,
    /// Whether it was made at a time near our clock's.
    pub(super) timely: Result<(), SignatureError>,
}

/// The form that a delivery must have.
pub(super) enum Envelope<'a> {
    /// Plain mode. The signature covers no body, so the replay guard has to check the body.
    Plain { signature: BareSignature<'a>, form: Form },
    /// Encrypted with one of these keys. The signature covers the encrypted text.
    Encrypted(SignedQuery<'a>, &'a Rotating<AesKey>),
}

/// What `encrypt_type` says about a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Encrypted,
    Unknown,
}

impl<'a> Envelope<'a> {
    /// The envelope that the account's mode asks for. In plain mode this verifies the signature.
    pub(super) fn expected(
        account: &'a Account,
        query: &'a DeliveryQuery,
        clock: &WechatClock,
    ) -> Result<Self, Problem> {
        let form = match query.encrypt_type.as_deref() {
            None | Some("raw") => Form::Plain,
            Some("aes") => Form::Encrypted,
            Some(_) => Form::Unknown,
        };
        let Some(keys) = account.settings.encryption() else {
            return Ok(Self::Plain { signature: query.verify(account, clock)?, form });
        };
        check_form(form, Form::Encrypted)?;
        let signed = query.signed("msg_signature", query.msg_signature.as_deref())?;
        Ok(Self::Encrypted(signed, keys))
    }

    /// The signature, if it doesn't cover the body.
    pub(super) fn bare_signature(&self) -> Option<BareSignature<'a>> {
        match self {
            Self::Plain { signature, .. } => Some(*signature),
            Self::Encrypted(..) => None,
        }
    }

    /// Takes the message out of the body.
    pub(super) fn open(
        &self,
        account: &'a Account,
        body: &[u8],
        clock: &WechatClock,
    ) -> Result<ReceivedMessage<'a>, OpenError> {
        let received = match self {
            Self::Plain { signature, form } => {
                signature.timely?;
                check_form(*form, Form::Plain)?;
                // What doesn't even begin like a message of WeChat is none.
                let is_wechats = body.trim_ascii_start().starts_with(b"<xml");
                let unreadable = |error| {
                    if is_wechats { OpenError::Unreadable(error) } else { bad_message(error).into() }
                };
                ReceivedMessage { message: Message::parse(body).map_err(unreadable)?, encryption: None }
            }
            Self::Encrypted(signed, keys) => decrypt(account, *signed, keys, body, clock)?,
        };
        if received.message.to == account.settings.original_id { Ok(received) } else { Err(wrong_account().into()) }
    }
}

/// Checks that a delivery has the form that the account's mode asks for.
fn check_form(form: Form, expected: Form) -> Result<(), Problem> {
    match (form, expected) {
        (Form::Unknown, _) => Err(Problem::bad_request("encrypt_type is neither raw nor aes")),
        _ if form == expected => Ok(()),
        (_, Form::Plain) => Err(mode_mismatch("plain")),
        _ => Err(mode_mismatch("encrypted")),
    }
}

/// The outcome of a check that was made at this time, after the clock has learned from it.
fn observed<'t>(
    checked: Result<VerifiedSignature<'t>, SignatureError>,
    now_secs: u64,
    clock: &WechatClock,
) -> Result<VerifiedSignature<'t>, SignatureError> {
    if let Ok(VerifiedSignature { ahead_secs, .. }) | Err(SignatureError::Stale { ahead_secs }) = checked {
        clock.observe(now_secs, ahead_secs);
    }
    checked
}

/// Checks the signature first, then decrypts, then checks the app id. So an attacker who can't sign learns nothing
/// about the later steps.
fn decrypt<'a>(
    account: &'a Account,
    signed: SignedQuery<'a>,
    keys: &'a Rotating<AesKey>,
    body: &[u8],
    clock: &WechatClock,
) -> Result<ReceivedMessage<'a>, OpenError> {
    let settings = &account.settings;
    let now_secs = unix_now().as_secs();
    let verify = |message: &EncryptedMessage| signed.verify_encrypted(&message.encrypted, &settings.token, now_secs);
    let encrypted = match EncryptedMessage::parse(body) {
        Ok(encrypted) => encrypted.ok_or_else(|| mode_mismatch("encrypted"))?,
        Err(error) if !error.may_come_from_a_text() => return Err(bad_message(error).into()),
        Err(error) => {
            let mut found = EncryptedMessage::find_in(body).into_iter();
            found
                .find(|found| verify(found).err() != Some(SignatureError::Mismatch))
                .ok_or_else(|| bad_message(error))?
        }
    };
    let VerifiedSignature { token, .. } = observed(verify(&encrypted), now_secs, clock)?;
    account.count_token(token);
    let (message, key) =
        AesKey::decrypt_with_any(keys, &encrypted.encrypted, &settings.app_id).map_err(|error| match error {
            DecryptError::AnotherApp => wrong_account(),
            DecryptError::Malformed | DecryptError::Unreadable => {
                Problem::new(StatusCode::BAD_REQUEST, "undecryptable", error.to_string())
            }
        })?;
    account.count_aes_key(keys, key);
    if encrypted.to.is_some_and(|to| to != settings.original_id) {
        return Err(wrong_account().into());
    }
    let message = Message::parse(&message).map_err(OpenError::Unreadable)?;
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

pub(super) fn bad_signature(error: SignatureError) -> Problem {
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
