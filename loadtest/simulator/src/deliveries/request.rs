//! The signature and the encryption around a message.

use axum::body::Bytes;
use scenecast_scene::{Secret, time::unix_now};
use url::Url;

use super::message::{DeliveryMessage, element, root};
use crate::{
    accounts::{EncryptionMode, SimulatedAccount},
    encryption::{EncodingAesKey, signature},
    faults::OddTexts,
};

/// The timestamp and nonce by which two requests with the same message differ.
#[derive(Debug, Clone)]
pub(super) struct RequestStamp {
    timestamp: String,
    nonce: String,
}

impl RequestStamp {
    pub(super) fn new() -> Self {
        Self { timestamp: unix_now().as_secs().to_string(), nonce: rand::random::<u32>().to_string() }
    }

    /// Adds the signature that every request carries.
    pub(super) fn sign(&self, mut callback: Url, token: &Secret) -> Url {
        let signature = signature(&[token.text(), &self.timestamp, &self.nonce]);
        callback.query_pairs_mut().extend_pairs([
            ("signature", signature.as_str()),
            ("timestamp", &self.timestamp),
            ("nonce", &self.nonce),
        ]);
        callback
    }
}

/// A request without the address of its callback.
#[derive(Debug, Clone)]
pub(super) struct SignedRequest {
    stamp: RequestStamp,
    openid: String,
    msg_signature: Option<String>,
    pub(super) body: Bytes,
    /// The key of the message. The answer has to be encrypted with the same one.
    pub(super) key: EncodingAesKey,
}

impl SignedRequest {
    /// Signs a message, and encrypts it as the account's mode says. Each call gives another request, even for the
    /// same message.
    pub(super) fn new(
        message: &DeliveryMessage,
        account: &SimulatedAccount,
        key: &EncodingAesKey,
        odd_texts: Option<OddTexts>,
    ) -> Self {
        let stamp = RequestStamp::new();
        let plain = message.elements_with(&account.original_id, odd_texts);
        let encrypted = || key.encrypt(&account.app_id, rand::random(), &root(&plain));
        let (encrypt, body) = match account.mode {
            EncryptionMode::Plain => (None, root(&plain)),
            EncryptionMode::Compatible => {
                let encrypt = encrypted();
                let body = root(&[&plain[..], element("Encrypt", &encrypt).as_bytes()].concat());
                (Some(encrypt), body)
            }
            EncryptionMode::Safe => {
                let encrypt = encrypted();
                let to = element("ToUserName", &account.original_id);
                let body = root(format!("{to}{}", element("Encrypt", &encrypt)).as_bytes());
                (Some(encrypt), body)
            }
        };
        let sign = |encrypt: String| signature(&[account.token.text(), &stamp.timestamp, &stamp.nonce, &encrypt]);
        Self {
            msg_signature: encrypt.map(sign),
            stamp,
            openid: message.from.to_string(),
            body: body.into(),
            key: key.clone(),
        }
    }

    /// A callback's address with everything that WeChat adds to it.
    pub(super) fn address(&self, callback: Url, token: &Secret) -> Url {
        let mut url = self.stamp.sign(callback, token);
        url.query_pairs_mut().append_pair("openid", &self.openid);
        if let Some(msg_signature) = &self.msg_signature {
            url.query_pairs_mut().extend_pairs([("encrypt_type", "aes"), ("msg_signature", msg_signature)]);
        }
        url
    }
}
