//! One request of a delivery: signed, and sealed as its account's mode says.

use axum::body::Bytes;
use scenecast_shared::{scene::Secret, time::unix_now};
use url::Url;

use super::message::{Message, element, root};
use crate::simulator::{
    seal::{AesKey, signature},
    settings::{Account, Mode},
};

/// What makes two requests with the same message differ.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    timestamp: String,
    nonce: String,
}

impl Stamp {
    pub(super) fn new() -> Self {
        Self { timestamp: unix_now().as_secs().to_string(), nonce: rand::random::<u32>().to_string() }
    }

    /// The address of a callback with the signature that every request has.
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

/// A request but for the callback that it goes to.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    stamp: Stamp,
    openid: String,
    msg_signature: Option<String>,
    /// What is posted.
    pub(super) body: Bytes,
    /// What it is sealed with; an answer has to be, too.
    pub(super) key: AesKey,
}

impl Envelope {
    /// Another one at each call, even for the same message.
    pub(super) fn around(message: &Message, account: &Account, key: &AesKey) -> Self {
        let stamp = Stamp::new();
        let plain = message.elements(&account.original_id);
        let sealed = || key.seal(&account.app_id, rand::random(), root(&plain).as_bytes());
        let (encrypt, body) = match account.mode {
            Mode::Plain => (None, root(&plain)),
            Mode::Compatible => {
                let encrypt = sealed();
                let body = root(&format!("{plain}{}", element("Encrypt", &encrypt)));
                (Some(encrypt), body)
            }
            Mode::Safe => {
                let encrypt = sealed();
                let body =
                    root(&format!("{}{}", element("ToUserName", &account.original_id), element("Encrypt", &encrypt)));
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
