//! Ids of scenes, accounts, people and deliveries.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};

/// A text that isn't an id of the expected kind. The error never repeats the text, because a stranger may have sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct IdError(pub(crate) &'static str);

/// The first 128 bits of SHA-256 over the parts, each preceded by its length.
pub(crate) fn digest128(parts: &[&[u8]]) -> [u8; 16] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&sha.finalize()[..16]);
    digest
}

/// Declares a 128-bit id whose text is 22 base64url characters.
macro_rules! id128 {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 22];
                let length = URL_SAFE_NO_PAD
                    .encode_slice(self.0, &mut text)
                    .expect("16 bytes are 22 characters");
                f.write_str(std::str::from_utf8(&text[..length]).expect("base64 is ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; 16];
                match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
                    Ok(16) if text.len() == 22 => Ok(Self(bytes)),
                    _ => Err(IdError($what)),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    };
}
pub(crate) use id128;

id128! {
    /// The id of a scene, one login attempt on one page. It is public: the QR code contains it.
    SceneId, "a scene id (22 base64url characters)"
}

id128! {
    /// The id of a delivery, so that a repeated delivery changes nothing. It is a digest, because a page sees it and the
    /// parts of a WeChat delivery identify a person.
    DeliveryId, "a delivery id (22 base64url characters)"
}

impl SceneId {
    /// Its bits. Those of all scenes together are spread evenly, because an id is a digest.
    pub fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl DeliveryId {
    /// The id of the delivery that these parts identify together. The order of the parts counts, and where one part ends.
    pub fn of(parts: &[&str]) -> Self {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        Self(digest128(&parts))
    }
}

/// Declares a text type whose values satisfy a condition.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::IdError;

            fn from_str(text: &str) -> Result<Self, $crate::IdError> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(text) { Ok(Self(text.into())) } else { Err($crate::IdError($what)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::IdError;

            fn try_from(text: String) -> Result<Self, $crate::IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

pub(crate) use checked_text;

checked_text! {
    /// The name of an Official Account or Mini Program in this deployment, in paths and configuration.
    AccountName, "an account name (1 to 32 of a-z, 0-9, -)", |text| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

checked_text! {
    /// A person's id in one account. It is personal data for the site's backend only, so `Debug` shows only its end.
    OpenId, "an openid (1 to 64 of A-Z, a-z, 0-9, _, -)", |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    }
}

impl fmt::Debug for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…{}", self.short())
    }
}

impl OpenId {
    /// The last four characters, for logs: enough to distinguish two people.
    pub fn short(&self) -> &str {
        &self.0[self.0.len().saturating_sub(4)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        page::ChosenId,
        secret::{Binding, Grant},
    };

    #[test]
    fn a_scene_id_is_22_characters_and_reads_back() {
        let id = SceneId([0xfb; 16]);
        assert_eq!(id.to_string(), "-_v7-_v7-_v7-_v7-_v7-w");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn a_scene_id_has_one_spelling() {
        for text in [
            "",
            "short",
            "-_v7-_v7-_v7-_v7-_v7-x",
            "-_v7-_v7-_v7-_v7-_v7-w=",
            "-_v7-_v7-_v7-_v7-_v7-w-",
            "+/v7-_v7-_v7-_v7-_v7-w",
            " _v7-_v7-_v7-_v7-_v7-w",
            "é_v7-_v7-_v7-_v7-_v7w",
        ] {
            assert!(text.parse::<SceneId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_delivery_id_depends_on_the_parts_and_their_boundaries() {
        assert_eq!(DeliveryId::of(&["a", "bc"]), DeliveryId::of(&["a", "bc"]));
        assert_ne!(DeliveryId::of(&["a", "bc"]), DeliveryId::of(&["ab", "c"]));
    }

    #[test]
    fn invalid_names_are_refused() {
        for bad in ["", "Demo", "a/b", "ä", &"x".repeat(33)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
        for bad in ["", "o p", "o\n", &"x".repeat(65)] {
            assert!(bad.parse::<OpenId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_openid_is_not_printed_whole() {
        let openid: OpenId = "oAbCdEfGhIjKl-1234".parse().unwrap();
        assert_eq!(format!("{openid:?}"), "…1234");
    }

    /// A text that parses is printed as it was written, and is the same text in JSON.
    fn has_one_spelling<T: FromStr + fmt::Display + Serialize + for<'de> Deserialize<'de>>(text: &str) {
        let json = serde_json::to_string(text).unwrap();
        match text.parse::<T>() {
            Ok(read) => {
                assert_eq!(read.to_string(), text);
                assert_eq!(serde_json::to_string(&read).unwrap(), json);
                assert!(serde_json::from_str::<T>(&json).is_ok());
            }
            Err(_) => assert!(serde_json::from_str::<T>(&json).is_err(), "{text}"),
        }
    }

    #[test]
    fn any_text_is_an_id_in_one_spelling_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let encoded = URL_SAFE_NO_PAD.encode(bytes);
            for text in [&*String::from_utf8_lossy(bytes), &encoded] {
                has_one_spelling::<SceneId>(text);
                has_one_spelling::<DeliveryId>(text);
                has_one_spelling::<AccountName>(text);
                has_one_spelling::<OpenId>(text);
                has_one_spelling::<ChosenId>(text);
                has_one_spelling::<Binding>(text);
                has_one_spelling::<Grant>(text);
            }
        });
    }
}
