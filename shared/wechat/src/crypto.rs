//! The encryption of messages in safe and compatible mode: AES-256-CBC around
//! `random ‖ length ‖ message ‖ app id`, as "Message encryption and decryption" documents it.

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

use scenecast_scene::{Rotating, Secret};

/// Bytes before the length, without which equal messages would look equal.
const RANDOM: usize = 16;
/// What the content is padded to: twice AES's own block, so that common unpadders, which expect at
/// most 16 bytes of padding, would refuse half of WeChat's messages.
const PADDED_TO: usize = 32;

/// 43 characters are 258 bits. The last two count for nothing and may be set, as they are in keys
/// that WeChat takes; decoders refuse that by default.
const ENCODING_AES_KEY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A text that can't be an `EncodingAESKey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 43 letters and digits: the EncodingAESKey of the account's webhook settings")]
pub struct AesKeyError;

/// Why something encrypted can't be read. Nobody learns from it who couldn't sign it, since the
/// signature is checked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Not base64 of whole blocks: no key will do.
    #[error("what is encrypted was cut short, or is not base64")]
    Malformed,
    /// Encrypted with another key, or changed since.
    #[error("what is encrypted can't be read with this account's aes_key")]
    Unreadable,
    /// Encrypted for another account.
    #[error("what is encrypted is for another app id")]
    AnotherApp,
}

/// `EncodingAESKey`: what an account's messages are encrypted with. Never printed.
#[derive(Clone)]
pub struct AesKey(Zeroizing<[u8; 32]>);

impl AesKey {
    /// Encrypts a message for, or of, the account with this app id: base64. The random bytes have
    /// to be new for each message.
    pub fn encrypt(&self, message: &[u8], app_id: &str, random: [u8; RANDOM]) -> String {
        let length = u32::try_from(message.len()).expect("a message is shorter than 4 GiB").to_be_bytes();
        self.encrypt_blocks(pad([&random, &length[..], message, app_id.as_bytes()].concat()))
    }

    /// The message in base64 that this key encrypted for this app id.
    pub fn decrypt(&self, encrypted: &str, app_id: &str) -> Result<Vec<u8>, DecryptError> {
        let mut bytes = STANDARD.decode(encrypted).map_err(|_| DecryptError::Malformed)?;
        let (key, iv) = self.key_and_iv();
        let padded = Decryptor::<Aes256>::new(key.into(), iv.into()).decrypt_padded::<NoPadding>(&mut bytes);
        let content = unpad(padded.map_err(|_| DecryptError::Malformed)?).ok_or(DecryptError::Unreadable)?;
        let (message, owner) = split(content).ok_or(DecryptError::Unreadable)?;
        if owner == app_id.as_bytes() { Ok(message.to_vec()) } else { Err(DecryptError::AnotherApp) }
    }

    fn encrypt_blocks(&self, mut blocks: Vec<u8>) -> String {
        let (length, (key, iv)) = (blocks.len(), self.key_and_iv());
        Encryptor::<Aes256>::new(key.into(), iv.into())
            .encrypt_padded::<NoPadding>(&mut blocks, length)
            .expect("whole blocks need no padding");
        STANDARD.encode(blocks)
    }

    /// WeChat's initial vector is the key's first half; the random bytes make up for it.
    fn key_and_iv(&self) -> (&[u8; 32], &[u8; 16]) {
        (&self.0, self.0.first_chunk().expect("a key has more bytes than a block"))
    }
}

impl AesKey {
    /// Decrypts with the current key, or with the previous one: WeChat goes on using that for a while after a
    /// change. Returns the key as well, because the reply has to be encrypted with the same.
    pub fn decrypt_with_any<'k>(
        keys: &'k Rotating<Self>,
        encrypted: &str,
        app_id: &str,
    ) -> Result<(Vec<u8>, &'k Self), DecryptError> {
        let with = |key: &'k Self| key.decrypt(encrypted, app_id).map(|message| (message, key));
        match (with(&keys.current), &keys.previous) {
            (Err(DecryptError::Unreadable), Some(previous)) => with(previous),
            (outcome, _) => outcome,
        }
    }
}

/// PKCS#7, over 32 bytes.
fn pad(mut content: Vec<u8>) -> Vec<u8> {
    let padding = PADDED_TO - content.len() % PADDED_TO;
    content.resize(content.len() + padding, u8::try_from(padding).expect("at most 32"));
    content
}

fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let last = *padded.last()?;
    let (content, padding) = padded.split_at_checked(padded.len().checked_sub(last.into())?)?;
    let fits = (1..=PADDED_TO).contains(&padding.len()) && padding.iter().all(|byte| *byte == last);
    fits.then_some(content)
}

/// The message, and the app id after it.
fn split(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = content.get(RANDOM..)?.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

impl FromStr for AesKey {
    type Err = AesKeyError;

    fn from_str(text: &str) -> Result<Self, AesKeyError> {
        let mut key = Zeroizing::new([0; 32]);
        let fits = text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match ENCODING_AES_KEY.decode_slice(text, &mut *key) {
            Ok(32) if fits => Ok(Self(key)),
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
