//! Encryption and signatures of messages. No I/O. It shares no code with the product, so that the two can't share a
//! mistake.
//!
//! Source: "Message encryption and decryption" of developers.weixin.qq.com.

use std::{fmt, str::FromStr};

use aes::{
    Aes256,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::NoPadding},
};
use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::general_purpose::{GeneralPurpose, PAD, STANDARD},
};
use serde::{Deserialize, de};
use sha1::{Digest, Sha1};

/// Messages are padded to a multiple of this many bytes, which is two of the cipher's blocks.
const PAD_TO: usize = 32;
/// Random bytes and the length of the message.
const HEAD: usize = 16 + 4;

/// `EncodingAESKey`: 43 letters and digits, 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodingAesKey([u8; 32]);

/// The text is not 43 letters and digits. The error doesn't contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an AES key is 43 letters and digits")]
pub struct EncodingAesKeyError;

impl FromStr for EncodingAesKey {
    type Err = EncodingAesKeyError;

    fn from_str(text: &str) -> Result<Self, EncodingAesKeyError> {
        // The last character has two bits more than 32 bytes need, and WeChat's console sets them.
        let lenient = GeneralPurpose::new(&ALPHABET, PAD.with_decode_allow_trailing_bits(true));
        if text.len() != 43 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(EncodingAesKeyError);
        }
        let bytes = lenient.decode(format!("{text}=")).map_err(|_| EncodingAesKeyError)?;
        bytes.try_into().map(Self).map_err(|_| EncodingAesKeyError)
    }
}

impl fmt::Debug for EncodingAesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for EncodingAesKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// Why an `Encrypt` can't be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CiphertextError {
    /// It is not base64 of whole blocks.
    #[error("not base64 of a multiple of 32 bytes")]
    Blocks,
    /// The padding is not 1 to 32 bytes that contain their number. The key is wrong, or a bit has flipped.
    #[error("wrong padding")]
    Padding,
    /// The length in the head is longer than the text.
    #[error("wrong length")]
    Length,
    /// It was encrypted for another account.
    #[error("wrong app id")]
    AppId,
}

impl EncodingAesKey {
    /// Encrypts a message to or from the account with this app id. The result is the text of `Encrypt`.
    pub fn encrypt(&self, app_id: &str, random: [u8; 16], message: &[u8]) -> String {
        let length = u32::try_from(message.len()).expect("a message has less than 4 GB");
        let mut text = [&random[..], &length.to_be_bytes(), message, app_id.as_bytes()].concat();
        let padding = PAD_TO - text.len() % PAD_TO;
        text.resize(text.len() + padding, u8::try_from(padding).expect("at most 32"));
        let length = text.len();
        let cipher = cbc::Encryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        cipher.encrypt_padded::<NoPadding>(&mut text, length).expect("whole blocks");
        STANDARD.encode(text)
    }

    /// Decrypts the text of an `Encrypt` of the account with this app id.
    pub fn decrypt(&self, app_id: &str, encrypted: &str) -> Result<Vec<u8>, CiphertextError> {
        let mut text = STANDARD.decode(encrypted).map_err(|_| CiphertextError::Blocks)?;
        if text.is_empty() || !text.len().is_multiple_of(PAD_TO) {
            return Err(CiphertextError::Blocks);
        }
        let cipher = cbc::Decryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        cipher.decrypt_padded::<NoPadding>(&mut text).expect("whole blocks");

        let padding = usize::from(text[text.len() - 1]);
        if !(1..=PAD_TO).contains(&padding) {
            return Err(CiphertextError::Padding);
        }
        let padded = text.split_off(text.len() - padding);
        if padded.iter().any(|byte| usize::from(*byte) != padding) {
            return Err(CiphertextError::Padding);
        }
        let (head, rest) = text.split_at_checked(HEAD).ok_or(CiphertextError::Length)?;
        let length = u32::from_be_bytes([head[16], head[17], head[18], head[19]]);
        let (message, id) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(CiphertextError::Length)?;
        if id != app_id.as_bytes() {
            return Err(CiphertextError::AppId);
        }
        Ok(message.to_vec())
    }

    fn iv(&self) -> [u8; 16] {
        self.0[..16].try_into().expect("the first half of 32 bytes")
    }
}

/// The SHA-1 of the sorted parts: `signature` covers token, timestamp and nonce; `msg_signature` covers `Encrypt` too.
pub(crate) fn signature(parts: &[&str]) -> String {
    let mut parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    parts.sort_unstable();
    hex::encode(Sha1::digest(parts.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> EncodingAesKey {
        text.parse().unwrap()
    }

    // The examples of WeChat's own "Message push".
    const OFFICIAL_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const OFFICIAL_APP_ID: &str = "wxba5fad812f8e6fb9";
    const OFFICIAL_MESSAGE: &str = "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJ\
        GQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrK\
        EYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=";
    const OFFICIAL_REPLY: &str =
        "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==";
    // wechatpy's test_crypto: one byte of padding, and a key whose last character has spare bits set.
    const WECHATPY_KEY: &str = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR";
    const WECHATPY_MESSAGE: &str = "RgqEoJj5A4EMYlLvWO1F86ioRjZfaex/gePD0gOXTxpsq5Yj4GNglrBb8I2BAJVODGajiFnXBu7mCPatfjsu6IH\
        CrsTyeDXzF6Bv283dGymzxh6ydJRvZsryDyZbLTE7rhnus50qGPMfp2wASFlzEgMW9z1ef/RD8XzaFYgm7iTdaXpXaG4+BiYyolBug/gYNx41\
        0cvkKR2/nPwBiT+P4hIiOAQqGp/TywZBtDh1yCF2KOd0gpiMZ5jSw3e29mTvmUHzkVQiMS6td7vXUaWOMZnYZlF3So2SjHnwh4jYFxdgpkHHqI\
        rH/54SNdshoQgWYEvccTKe7FS709/5t6NMxuGhcUGAPOQipvWTT4dShyqio7mlsl5noTrb++x6En749zCpQVhDpbV6GDnTbcX2e8K9QaNWHp91\
        eBdCRxthuL0=";

    #[test]
    fn wechats_own_examples_are_signed_as_published() {
        for (parts, signed) in [
            (&["AAAAA", "1714036504", "1514711492"][..], "f464b24fc39322e44b38aa78f5edd27bd1441696"),
            (&["AAAAA", "1714037059", "486452656"], "899cf89e464efb63f54ddac96b0a0a235f53aa78"),
            (&["AAAAA", "1714112445", "415670741"], "6c5c811b55cc85e0e1b54100749188c20beb3f5d"),
            (&["AAAAA", "1714112445", "415670741", OFFICIAL_MESSAGE], "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"),
            (&["AAAAA", "1713424427", "415670741", OFFICIAL_REPLY], "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"),
            (&["123456", "1411525903", "461056294", WECHATPY_MESSAGE], "74d92dfeb87ba7c714f89d98870ae5eb62dff26d"),
        ] {
            assert_eq!(signature(parts), signed);
        }
    }

    #[test]
    fn wechats_own_message_is_decrypted_and_encrypted_to_the_same_text() {
        let message = r#"{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}"#;
        let key = key(OFFICIAL_KEY);
        assert_eq!(key.decrypt(OFFICIAL_APP_ID, OFFICIAL_MESSAGE).unwrap(), message.as_bytes());
        assert_eq!(key.encrypt(OFFICIAL_APP_ID, *b"a8eedb185eb2fecf", message.as_bytes()), OFFICIAL_MESSAGE);
        let reply = br#"{"demo_resp":"good luck"}"#;
        assert_eq!(key.encrypt(OFFICIAL_APP_ID, *b"707722b803182950", reply), OFFICIAL_REPLY);
    }

    #[test]
    fn other_libraries_messages_are_decrypted_and_encrypted_to_the_same_text() {
        let chinese = key("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG");
        let encrypted = "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==";
        let message = "我是中文abcd123".as_bytes();
        assert_eq!(chinese.encrypt("wxb11529c136998cb6", *b"aaaabbbbccccdddd", message), encrypted);
        assert_eq!(chinese.decrypt("wxb11529c136998cb6", encrypted).unwrap(), message);

        let decrypted = key(WECHATPY_KEY).decrypt("wx49f0ab532d5d035a", WECHATPY_MESSAGE).unwrap();
        assert_eq!(decrypted.len(), 281);
        assert!(String::from_utf8(decrypted).unwrap().contains("<Content><![CDATA[test]]></Content>"));
    }

    #[test]
    fn a_message_of_any_length_survives_encryption() {
        let key = key(WECHATPY_KEY);
        for length in 0..100 {
            let message = vec![b'x'; length];
            let encrypted = key.encrypt("wx1", [7; 16], &message);
            assert_eq!(key.decrypt("wx1", &encrypted).unwrap(), message, "{length}");
        }
    }

    #[test]
    fn a_wrongly_encrypted_message_is_refused() {
        let key = key(WECHATPY_KEY);
        let raw = |text: &[u8]| {
            let mut text = text.to_vec();
            let length = text.len();
            let cipher = cbc::Encryptor::<Aes256>::new(&key.0.into(), &key.iv().into());
            STANDARD.encode(cipher.encrypt_padded::<NoPadding>(&mut text, length).unwrap())
        };
        let filled = |filling: &[u8]| raw(&[&[0; 16][..], &[0, 0, 0, 4], b"textwx1", filling].concat());
        assert_eq!(key.decrypt("wx1", &filled(&[5; 5])), Ok(b"text".to_vec()));
        for (encrypted, error) in [
            (String::new(), CiphertextError::Blocks),
            ("not base64".to_owned(), CiphertextError::Blocks),
            (STANDARD.encode([0; 48]), CiphertextError::Blocks),
            (filled(&[4, 4, 4, 4, 5]), CiphertextError::Padding),
            (filled(&[0; 5]), CiphertextError::Padding),
            (filled(&[33; 5]), CiphertextError::Padding),
            (raw(&[32; 32]), CiphertextError::Length),
            (raw(&[&[0; 16][..], &[0, 0, 0, 9], b"textwx1", &[5; 5]].concat()), CiphertextError::Length),
            (raw(&[&[0; 16][..], &[255; 4], b"textwx1", &[5; 5]].concat()), CiphertextError::Length),
            (raw(&[&[0; 16][..], &[0, 0, 0, 4], b"textwx2", &[5; 5]].concat()), CiphertextError::AppId),
        ] {
            assert_eq!(key.decrypt("wx1", &encrypted), Err(error), "{encrypted}");
        }
    }

    #[test]
    fn a_key_is_43_letters_and_digits_and_is_hidden_in_logs() {
        for bad in ["", "short", &"A".repeat(42), &"A".repeat(44), &format!("{}-", "A".repeat(42))] {
            assert_eq!(bad.parse::<EncodingAesKey>(), Err(EncodingAesKeyError), "{bad}");
        }
        assert_eq!(format!("{:?}", key(WECHATPY_KEY)), "<secret>");
    }
}
