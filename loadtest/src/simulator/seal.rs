//! Sealed messages and signatures. No I/O, and nothing of the product's own crypto, so that the
//! two can't share a mistake.
//!
//! Facts: "Message encryption and decryption" of developers.weixin.qq.com.

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

/// Messages are filled up to a multiple of this many bytes, which is two of the cipher's blocks.
const FILLED_TO: usize = 32;
/// Random bytes, then the message's length.
const HEAD: usize = 16 + 4;

/// `EncodingAESKey`: 43 letters and digits, 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct AesKey([u8; 32]);

/// A text that isn't 43 letters and digits. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an AES key is 43 letters and digits")]
pub struct NotAKey;

impl FromStr for AesKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        // The last character has two bits more than 32 bytes need, and WeChat's console sets them.
        let lenient = GeneralPurpose::new(&ALPHABET, PAD.with_decode_allow_trailing_bits(true));
        if text.len() != 43 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NotAKey);
        }
        let bytes = lenient.decode(format!("{text}=")).map_err(|_| NotAKey)?;
        bytes.try_into().map(Self).map_err(|_| NotAKey)
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for AesKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// Why an `Encrypt` can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSeal {
    /// Not base64 of whole blocks.
    #[error("not base64 of a multiple of 32 bytes")]
    Blocks,
    /// The filling isn't 1 to 32 bytes that say how many they are: another key, or a bit flipped.
    #[error("wrong padding")]
    Padding,
    /// The message's length goes beyond what there is.
    #[error("wrong length")]
    Length,
    /// Sealed for another account.
    #[error("wrong app id")]
    AppId,
}

impl AesKey {
    /// Seals a message to or from the account with this app id: what `Encrypt` says.
    pub fn seal(&self, app_id: &str, random: [u8; 16], message: &[u8]) -> String {
        let length = u32::try_from(message.len()).expect("a message has less than 4 GB");
        let mut text = [&random[..], &length.to_be_bytes(), message, app_id.as_bytes()].concat();
        let filling = FILLED_TO - text.len() % FILLED_TO;
        text.resize(text.len() + filling, u8::try_from(filling).expect("at most 32"));
        let length = text.len();
        let cipher = cbc::Encryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        cipher.encrypt_padded::<NoPadding>(&mut text, length).expect("whole blocks");
        STANDARD.encode(text)
    }

    /// The message in an `Encrypt` of the account with this app id.
    pub fn open(&self, app_id: &str, sealed: &str) -> Result<Vec<u8>, BadSeal> {
        let mut text = STANDARD.decode(sealed).map_err(|_| BadSeal::Blocks)?;
        if text.is_empty() || !text.len().is_multiple_of(FILLED_TO) {
            return Err(BadSeal::Blocks);
        }
        let cipher = cbc::Decryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        cipher.decrypt_padded::<NoPadding>(&mut text).expect("whole blocks");

        let filling = usize::from(text[text.len() - 1]);
        if !(1..=FILLED_TO).contains(&filling) {
            return Err(BadSeal::Padding);
        }
        let filled = text.split_off(text.len() - filling);
        if filled.iter().any(|byte| usize::from(*byte) != filling) {
            return Err(BadSeal::Padding);
        }
        let (head, rest) = text.split_at_checked(HEAD).ok_or(BadSeal::Length)?;
        let length = u32::from_be_bytes([head[16], head[17], head[18], head[19]]);
        let (message, id) =
            usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)).ok_or(BadSeal::Length)?;
        if id != app_id.as_bytes() {
            return Err(BadSeal::AppId);
        }
        Ok(message.to_vec())
    }

    fn iv(&self) -> [u8; 16] {
        self.0[..16].try_into().expect("the first half of 32 bytes")
    }
}

/// `signature` of token, timestamp and nonce; `msg_signature` of these and `Encrypt`.
pub(crate) fn signature(parts: &[&str]) -> String {
    let mut parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    parts.sort_unstable();
    hex::encode(Sha1::digest(parts.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AesKey {
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
    fn wechats_own_message_opens_and_seals_to_the_same_text() {
        let message = r#"{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}"#;
        let key = key(OFFICIAL_KEY);
        assert_eq!(key.open(OFFICIAL_APP_ID, OFFICIAL_MESSAGE).unwrap(), message.as_bytes());
        assert_eq!(key.seal(OFFICIAL_APP_ID, *b"a8eedb185eb2fecf", message.as_bytes()), OFFICIAL_MESSAGE);
        let reply = br#"{"demo_resp":"good luck"}"#;
        assert_eq!(key.seal(OFFICIAL_APP_ID, *b"707722b803182950", reply), OFFICIAL_REPLY);
    }

    #[test]
    fn other_libraries_messages_open_and_seal_to_the_same_text() {
        let chinese = key("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG");
        let sealed = "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==";
        let message = "我是中文abcd123".as_bytes();
        assert_eq!(chinese.seal("wxb11529c136998cb6", *b"aaaabbbbccccdddd", message), sealed);
        assert_eq!(chinese.open("wxb11529c136998cb6", sealed).unwrap(), message);

        let opened = key(WECHATPY_KEY).open("wx49f0ab532d5d035a", WECHATPY_MESSAGE).unwrap();
        assert_eq!(opened.len(), 281);
        assert!(String::from_utf8(opened).unwrap().contains("<Content><![CDATA[test]]></Content>"));
    }

    #[test]
    fn a_message_of_any_length_comes_back() {
        let key = key(WECHATPY_KEY);
        for length in 0..100 {
            let message = vec![b'x'; length];
            let sealed = key.seal("wx1", [7; 16], &message);
            assert_eq!(key.open("wx1", &sealed).unwrap(), message, "{length}");
        }
    }

    #[test]
    fn what_was_sealed_otherwise_does_not_open() {
        let key = key(WECHATPY_KEY);
        let raw = |text: &[u8]| {
            let mut text = text.to_vec();
            let length = text.len();
            let cipher = cbc::Encryptor::<Aes256>::new(&key.0.into(), &key.iv().into());
            STANDARD.encode(cipher.encrypt_padded::<NoPadding>(&mut text, length).unwrap())
        };
        let filled = |filling: &[u8]| raw(&[&[0; 16][..], &[0, 0, 0, 4], b"textwx1", filling].concat());
        assert_eq!(key.open("wx1", &filled(&[5; 5])), Ok(b"text".to_vec()));
        for (sealed, why) in [
            (String::new(), BadSeal::Blocks),
            ("not base64".to_owned(), BadSeal::Blocks),
            (STANDARD.encode([0; 48]), BadSeal::Blocks),
            (filled(&[4, 4, 4, 4, 5]), BadSeal::Padding),
            (filled(&[0; 5]), BadSeal::Padding),
            (filled(&[33; 5]), BadSeal::Padding),
            (raw(&[32; 32]), BadSeal::Length),
            (raw(&[&[0; 16][..], &[0, 0, 0, 9], b"textwx1", &[5; 5]].concat()), BadSeal::Length),
            (raw(&[&[0; 16][..], &[255; 4], b"textwx1", &[5; 5]].concat()), BadSeal::Length),
            (raw(&[&[0; 16][..], &[0, 0, 0, 4], b"textwx2", &[5; 5]].concat()), BadSeal::AppId),
        ] {
            assert_eq!(key.open("wx1", &sealed), Err(why), "{sealed}");
        }
    }

    #[test]
    fn a_key_is_43_letters_and_digits_and_shows_nothing_of_itself() {
        for bad in ["", "short", &"A".repeat(42), &"A".repeat(44), &format!("{}-", "A".repeat(42))] {
            assert_eq!(bad.parse::<AesKey>(), Err(NotAKey), "{bad}");
        }
        assert_eq!(format!("{:?}", key(WECHATPY_KEY)), "<secret>");
    }
}
