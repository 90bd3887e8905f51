//! The encryption of messages in safe and compatible mode, as "Message encryption and decryption" documents it.
//!
//! ```text
//! AES-256-CBC( random 16 │ length 4, big endian │ message │ app id │ padding 1–32 )     lengths in bytes
//! ```

use std::{fmt, str::FromStr};

use aes::Aes256;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use cbc::{
    Decryptor, Encryptor,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::NoPadding},
};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, de};

use scenecast_scene::{Rotating, Secret, constant_time_eq};

/// The number of random bytes. Without them, equal messages would be equal when encrypted, too.
const RANDOM_LENGTH: usize = 16;
/// The content is padded to a multiple of this. It is twice AES's block, so common PKCS#7 implementations can't be used:
/// they expect at most 16 bytes of padding, and would refuse half of WeChat's messages.
const PADDED_TO: usize = 32;

/// 43 characters are 258 bits. The last two bits are ignored and may be set, because WeChat accepts such keys. Decoders
/// refuse them by default.
const ENCODING_AES_KEY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A text that can't be an `EncodingAESKey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 43 letters and digits: the EncodingAESKey of the account's server settings")]
pub struct AesKeyError;

/// Why an encrypted message can't be decrypted. The signature is checked before, so an attacker without the token never
/// gets this error and can't use it as a padding oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// It isn't base64 of whole blocks, so no key can decrypt it.
    #[error("the encrypted message is cut short, or is not base64")]
    Malformed,
    /// It was encrypted with another key, or changed after that.
    #[error(
        "the encrypted message can't be decrypted with this account's aes_key; check that it is the EncodingAESKey in WeChat's settings"
    )]
    Unreadable,
    /// It was encrypted for another account.
    #[error("the encrypted message is for another app id; check this account's app_id")]
    AnotherApp,
}

/// `EncodingAESKey`: the key of an account's messages. `Debug` doesn't show it.
#[derive(Clone)]
pub struct AesKey(Zeroizing<[u8; 32]>);

impl AesKey {
    /// Encrypts a message from or to the account with this app id. Returns base64. The random bytes must be new for each
    /// message.
    pub fn encrypt(&self, message: &[u8], app_id: &str, random: [u8; RANDOM_LENGTH]) -> String {
        let length = u32::try_from(message.len()).expect("a message is shorter than 4 GiB").to_be_bytes();
        self.encrypt_blocks(pad([&random, &length[..], message, app_id.as_bytes()].concat()))
    }

    /// Decrypts a message in base64, and checks that it is for this app id.
    pub fn decrypt(&self, encrypted: &str, app_id: &str) -> Result<Vec<u8>, DecryptError> {
        let mut bytes = STANDARD.decode(encrypted).map_err(|_| DecryptError::Malformed)?;
        let (key, iv) = self.key_and_iv();
        let padded = Decryptor::<Aes256>::new(key.into(), iv.into()).decrypt_padded::<NoPadding>(&mut bytes);
        let content = unpad(padded.map_err(|_| DecryptError::Malformed)?).ok_or(DecryptError::Unreadable)?;
        let (message, owner) = split(content).ok_or(DecryptError::Unreadable)?;
        if owner == app_id.as_bytes() { Ok(message.to_vec()) } else { Err(DecryptError::AnotherApp) }
    }

    /// Whether both are the same key.
    pub fn is_same(&self, other: &Self) -> bool {
        constant_time_eq(&*self.0, &*other.0)
    }

    /// Whether the key's text, as WeChat's console shows it, begins with this text.
    pub fn begins_with(&self, text: &str) -> bool {
        Zeroizing::new(STANDARD.encode(*self.0)).starts_with(text)
    }

    /// Whether this text is the key, as WeChat's console shows it.
    pub fn is_written(&self, text: &str) -> bool {
        text.parse::<Self>().is_ok_and(|other| self.is_same(&other))
    }

    fn encrypt_blocks(&self, mut blocks: Vec<u8>) -> String {
        let length = blocks.len();
        let (key, iv) = self.key_and_iv();
        Encryptor::<Aes256>::new(key.into(), iv.into())
            .encrypt_padded::<NoPadding>(&mut blocks, length)
            .expect("whole blocks need no padding");
        STANDARD.encode(blocks)
    }

    /// WeChat uses the first half of the key as the initialization vector. The random bytes make messages differ.
    fn key_and_iv(&self) -> (&[u8; 32], &[u8; 16]) {
        (&self.0, self.0.first_chunk().expect("a key has more bytes than a block"))
    }

    /// Decrypts with the current key, or else with the previous one: WeChat uses the previous key for a while after a
    /// change. Also returns the key, because the reply has to be encrypted with the same key.
    pub fn decrypt_with_any<'k>(
        keys: &'k Rotating<Self>,
        encrypted: &str,
        app_id: &str,
    ) -> Result<(Vec<u8>, &'k Self), DecryptError> {
        let decrypt = |key: &'k Self| key.decrypt(encrypted, app_id).map(|message| (message, key));
        match (decrypt(&keys.current), &keys.previous) {
            (Err(DecryptError::Unreadable), Some(previous)) => decrypt(previous),
            (outcome, _) => outcome,
        }
    }
}

/// PKCS#7 with blocks of 32 bytes.
fn pad(mut content: Vec<u8>) -> Vec<u8> {
    let padding = PADDED_TO - content.len() % PADDED_TO;
    content.resize(content.len() + padding, u8::try_from(padding).expect("at most 32"));
    content
}

fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let last = *padded.last()?;
    let (content, padding) = padded.split_at_checked(padded.len().checked_sub(last.into())?)?;
    let is_padding = (1..=PADDED_TO).contains(&padding.len()) && padding.iter().all(|byte| *byte == last);
    is_padding.then_some(content)
}

/// Splits decrypted content into the message and the app id.
fn split(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = content.get(RANDOM_LENGTH..)?.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

impl FromStr for AesKey {
    type Err = AesKeyError;

    fn from_str(text: &str) -> Result<Self, AesKeyError> {
        let mut key = Zeroizing::new([0; 32]);
        let is_valid = text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match ENCODING_AES_KEY.decode_slice(text, &mut *key) {
            Ok(32) if is_valid => Ok(Self(key)),
            _ => Err(AesKeyError),
        }
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for AesKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Secret::deserialize(from)?.text().parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[path = "crypto_tests.rs"]
mod tests;
