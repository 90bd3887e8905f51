//! The page's secret for its scene. Any pod can check it without asking Redis.
//!
//! ```text
//! key = base64url( nonce 12 │ kind 4 │ expires 4 │ binding 16 │ account 1–32 │ MAC 16 )     lengths in bytes
//! scene id = the first 16 bytes of SHA-256( key )
//! ```
//!
//! See docs/decisions/003-the-key-carries-account-binding-and-expiry.md and
//! docs/decisions/050-a-key-is-good-for-one-kind-of-route.md.

use std::{
    borrow::Cow,
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de};

use crate::{
    id::{AccountName, SceneId, digest128},
    lifecycle::TOMBSTONE_MS,
    secret::{Binding, Rotating, Secret, constant_time_eq},
};

const NONCE_BYTES: usize = 12;
const KIND_BYTES: usize = 4;
const EXPIRES_BYTES: usize = 4;
const BINDING_BYTES: usize = 16;
const MAC_BYTES: usize = 16;
const FIXED_BYTES: usize = NONCE_BYTES + KIND_BYTES + EXPIRES_BYTES + BINDING_BYTES + MAC_BYTES;
/// No scene lives longer: those of compatible routes live an hour.
const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60 + 60);
const NO_BINDING: [u8; BINDING_BYTES] = [0; BINDING_BYTES];

/// Why a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// This deployment didn't issue it, or for other routes: it is invented or cut short, or its secret isn't accepted
    /// any more.
    #[error("this key was not issued here")]
    Foreign,
    /// This deployment issued it, but its scene isn't stored any more.
    #[error("this key's scene has ended")]
    Stale,
}

/// The page's secret for its scene. It contains everything that is needed to open the scene again if Redis has lost it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

/// The content of a valid key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The scene that the key belongs to.
    pub scene: SceneId,
    /// The account that the scene belongs to.
    pub account: AccountName,
    /// The browser that the scene is bound to.
    pub binding: Option<Binding>,
    /// When the scene's life ends by the clock of the pod that issued it, in unix seconds.
    pub expires: u32,
}

impl Claims {
    /// The rest of the scene's life.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        (UNIX_EPOCH + Duration::from_secs(self.expires.into())).duration_since(now).unwrap_or_default()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<key>")
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        const MAX_CHARACTERS: usize = (FIXED_BYTES + 32).div_ceil(3) * 4;
        if text.len() > MAX_CHARACTERS {
            return Err(KeyError::Foreign);
        }
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if bytes.len() > FIXED_BYTES => Ok(Self(bytes.into())),
            _ => Err(KeyError::Foreign),
        }
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// For which routes a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    /// The own API's, whose pages keep their key.
    Own,
    /// The compatible routes', whose keys are in cookies.
    Compatible,
}

impl KeyKind {
    /// What a key of this kind says. Keys of versions before 0.3 have random bytes in its place.
    fn mark(self) -> [u8; KIND_BYTES] {
        match self {
            Self::Own => *b"own.",
            Self::Compatible => *b"cmpt",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Own => Self::Compatible,
            Self::Compatible => Self::Own,
        }
    }
}

/// Issues and checks keys of one kind with the deployment's secret.
#[derive(Debug, Clone)]
pub struct KeyRing {
    secret: Rotating,
    kind: KeyKind,
}

impl KeyRing {
    /// The ring of the own API. Issues keys with the current secret, and accepts keys of the previous secret, too.
    pub fn new(secret: Rotating) -> Self {
        Self { secret, kind: KeyKind::Own }
    }

    /// The ring of the compatible routes, with the same secret.
    pub fn compatible(secret: Rotating) -> Self {
        Self { secret, kind: KeyKind::Compatible }
    }

    /// Issues a key for a new scene. Returns the key and its content.
    pub fn issue(
        &self,
        account: &AccountName,
        binding: Option<Binding>,
        life: Duration,
        now: SystemTime,
    ) -> (Key, Claims) {
        let ends = now.duration_since(UNIX_EPOCH).unwrap_or_default() + life;
        let expires = u32::try_from(ends.as_secs()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(FIXED_BYTES + account.as_str().len());
        bytes.extend_from_slice(&rand::random::<[u8; NONCE_BYTES]>());
        bytes.extend_from_slice(&self.kind.mark());
        bytes.extend_from_slice(&expires.to_be_bytes());
        bytes.extend_from_slice(&binding.map_or(NO_BINDING, |binding| binding.0));
        bytes.extend_from_slice(account.as_str().as_bytes());
        bytes.extend_from_slice(&mac(&self.secret.current, &bytes));
        let key = Key(bytes.into());
        let scene = scene_of(&key);
        (key, Claims { scene, account: account.clone(), binding, expires })
    }

    /// Whether a key looks as if a gateway with another secret had issued it: it has the form of a key whose scene may
    /// still be stored, and only its signature isn't ours. A made-up key can look so, too.
    pub fn seems_signed_elsewhere(&self, key: &Key, now: SystemTime) -> bool {
        let (body, tag) = key.0.split_at(key.0.len() - MAC_BYTES);
        let (head, account) = body.split_at(FIXED_BYTES - MAC_BYTES);
        let (kind, rest) = head[NONCE_BYTES..].split_at(KIND_BYTES);
        let expires: [u8; EXPIRES_BYTES] = rest[..EXPIRES_BYTES].try_into().unwrap_or_default();
        let expires = UNIX_EPOCH + Duration::from_secs(u32::from_be_bytes(expires).into());
        kind == self.kind.mark()
            && (now..now + LONGEST_LIFE).contains(&expires)
            && std::str::from_utf8(account).is_ok_and(|account| account.parse::<AccountName>().is_ok())
            && !self.secret.any(|secret| constant_time_eq(&mac(secret, body), tag))
    }

    /// Returns the content of a key, if it was issued with an accepted secret and not for the other kind of routes, and
    /// its scene may still be stored.
    pub fn check(&self, key: &Key, now: SystemTime) -> Result<Claims, KeyError> {
        let (body, tag) = key.0.split_at(key.0.len() - MAC_BYTES);
        if !self.secret.any(|secret| constant_time_eq(&mac(secret, body), tag)) {
            return Err(KeyError::Foreign);
        }
        let (_nonce, rest) = body.split_at(NONCE_BYTES);
        let (kind, rest) = rest.split_at(KIND_BYTES);
        let (expires, rest) = rest.split_at(EXPIRES_BYTES);
        let (binding, account) = rest.split_at(BINDING_BYTES);
        if kind == self.kind.other().mark() {
            return Err(KeyError::Foreign);
        }
        let expires = u32::from_be_bytes(expires.try_into().map_err(|_| KeyError::Foreign)?);
        let binding = <[u8; BINDING_BYTES]>::try_from(binding).map_err(|_| KeyError::Foreign)?;
        let claims = Claims {
            scene: scene_of(key),
            account: std::str::from_utf8(account)
                .ok()
                .and_then(|account| account.parse().ok())
                .ok_or(KeyError::Foreign)?,
            binding: (binding != NO_BINDING).then_some(Binding(binding)),
            expires,
        };
        let forgotten = UNIX_EPOCH + Duration::from_secs(expires.into()) + Duration::from_millis(TOMBSTONE_MS);
        if now > forgotten { Err(KeyError::Stale) } else { Ok(claims) }
    }
}

fn mac(secret: &Secret, body: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&secret.mac(&[b"scene key", body])[..MAC_BYTES]);
    mac
}

fn scene_of(key: &Key) -> SceneId {
    SceneId(digest128(&[b"scene", &key.0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(120);

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn ring(secret: &str) -> KeyRing {
        KeyRing::new(Rotating::fixed(secret))
    }

    fn demo() -> AccountName {
        "demo".parse().unwrap()
    }

    #[test]
    fn a_key_contains_what_it_was_issued_for() {
        let (key, claims) = ring("s").issue(&demo(), Some(Binding::of("x")), LIFE, now());
        let read: Key = key.to_string().parse().unwrap();
        assert_eq!(ring("s").check(&read, now()), Ok(claims.clone()));
        assert_eq!(claims.binding, Some(Binding::of("x")));
        assert_eq!(claims.remaining(now()), LIFE);
    }

    #[test]
    fn a_key_of_another_deployment_is_foreign() {
        let (key, _) = ring("s").issue(&demo(), None, LIFE, now());
        assert_eq!(ring("t").check(&key, now()), Err(KeyError::Foreign));
    }

    #[test]
    fn a_key_of_another_secret_is_told_from_what_is_none() {
        let (key, _) = ring("s").issue(&demo(), None, LIFE, now());
        assert!(ring("t").seems_signed_elsewhere(&key, now()));
        let rotated = KeyRing::new(Rotating { current: "t".into(), previous: Some("s".into()) });
        assert!(!ring("s").seems_signed_elsewhere(&key, now()) && !rotated.seems_signed_elsewhere(&key, now()));
        assert!(!ring("t").seems_signed_elsewhere(&key, now() + LIFE * 2), "its scene has ended");
        assert!(!ring("t").seems_signed_elsewhere(&key, now() - LONGEST_LIFE), "no scene lives as long");
        assert!(!KeyRing::compatible(Rotating::fixed("t")).seems_signed_elsewhere(&key, now()));
        for length in FIXED_BYTES + 1..=FIXED_BYTES + 32 {
            let made_up: Key = URL_SAFE_NO_PAD.encode(vec![7; length]).parse().unwrap();
            assert!(!ring("t").seems_signed_elsewhere(&made_up, now()));
        }
    }

    #[test]
    fn a_key_is_good_for_one_kind_of_route() {
        let own = ring("s");
        let compatible = KeyRing::compatible(Rotating::fixed("s"));
        for (issuer, other) in [(&own, &compatible), (&compatible, &own)] {
            let (key, claims) = issuer.issue(&demo(), None, LIFE, now());
            assert_eq!(issuer.check(&key, now()), Ok(claims));
            assert_eq!(other.check(&key, now()), Err(KeyError::Foreign));
        }
    }

    /// Issued by version 0.2 with the secret `s`, account `demo`, for 120 s, without a binding.
    const KEY_OF_0_2: &str = "RIp4AlZtN-LSbJ18ONql8WtJ0ngAAAAAAAAAAAAAAAAAAAAAZGVtb2S5aYIeYTPTOt_YTXuo4Os";
    const ITS_SCENE: &str = "lcwMnWyozc8bTMwdOt0FmA";

    #[test]
    fn a_key_of_a_version_without_kinds_is_accepted_by_both_kinds_of_routes() {
        for ring in [ring("s"), KeyRing::compatible(Rotating::fixed("s"))] {
            let claims = ring.check(&KEY_OF_0_2.parse().unwrap(), now()).unwrap();
            assert_eq!((claims.scene.to_string().as_str(), claims.account, claims.binding), (ITS_SCENE, demo(), None));
            assert_eq!(claims.expires, 1_800_000_120);
        }
    }

    #[test]
    fn a_version_without_kinds_reads_the_keys_of_both() {
        for (ring, mark) in [(ring("s"), b"own."), (KeyRing::compatible(Rotating::fixed("s")), b"cmpt")] {
            let (Key(bytes), _) = ring.issue(&demo(), Some(Binding::of("x")), LIFE, now());
            // What 0.2 has at these places: the end of the nonce, the expiry, the binding, the account, the MAC.
            assert_eq!(&bytes[12..16], mark);
            assert_eq!(&bytes[16..20], 1_800_000_120_u32.to_be_bytes());
            assert_eq!(&bytes[20..36], Binding::of("x").0);
            assert_eq!(&bytes[36..40], b"demo");
            assert_eq!(&bytes[40..], mac(&"s".into(), &bytes[..40]));
        }
    }

    #[test]
    fn a_key_of_the_previous_secret_is_accepted() {
        let (key, claims) = ring("old").issue(&demo(), None, LIFE, now());
        let rotated = KeyRing::new(Rotating { current: "new".into(), previous: Some("old".into()) });
        assert_eq!(rotated.check(&key, now()), Ok(claims));
    }

    #[test]
    fn a_key_is_valid_as_long_as_its_scene_is_stored() {
        let (key, claims) = ring("s").issue(&demo(), None, LIFE, now());
        let ended = now() + LIFE + Duration::from_millis(TOMBSTONE_MS);
        assert_eq!(ring("s").check(&key, ended), Ok(claims.clone()));
        assert_eq!(claims.remaining(ended), Duration::ZERO);
        assert_eq!(ring("s").check(&key, ended + Duration::from_secs(1)), Err(KeyError::Stale));
    }

    #[test]
    fn a_key_with_a_changed_bit_is_foreign() {
        let (key, _) = ring("s").issue(&demo(), None, LIFE, now());
        for bit in 0..key.0.len() * 8 {
            let mut bytes = key.0.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ring("s").check(&Key(bytes), now()), Err(KeyError::Foreign), "bit {bit}");
        }
    }

    #[test]
    fn texts_that_are_no_key_are_foreign() {
        for text in ["", "x", "====", &"A".repeat(40), &"A".repeat(10_000), "ключ"] {
            assert_eq!(text.parse::<Key>(), Err(KeyError::Foreign), "{text:.20}");
        }
    }

    #[test]
    fn a_key_with_another_character_anywhere_is_foreign() {
        let (key, _) = ring("s").issue(&demo(), None, LIFE, now());
        bolero::check!().with_type().for_each(|(at, character): &(u8, char)| {
            let mut text: Vec<char> = key.to_string().chars().collect();
            let at = usize::from(*at) % text.len();
            if std::mem::replace(&mut text[at], *character) != *character {
                let changed = text.into_iter().collect::<String>().parse::<Key>();
                assert_eq!(changed.and_then(|changed| ring("s").check(&changed, now())), Err(KeyError::Foreign));
            }
        });
    }

    #[test]
    fn any_text_is_a_foreign_key_and_any_signed_bytes_are_read_or_refused() {
        bolero::check!().for_each(|bytes: &[u8]| {
            for text in [String::from_utf8_lossy(bytes).into_owned(), URL_SAFE_NO_PAD.encode(bytes)] {
                if let Ok(key) = text.parse::<Key>() {
                    assert_eq!(key.to_string(), text, "a key has one spelling");
                    assert_eq!(ring("s").check(&key, now()), Err(KeyError::Foreign));
                }
            }
            let signed = [bytes, &mac(&"s".into(), bytes)].concat();
            if let Ok(key) = URL_SAFE_NO_PAD.encode(&signed).parse::<Key>() {
                let claims = ring("s").check(&key, now());
                assert!(claims.is_err() || claims.is_ok_and(|claims| !claims.account.as_str().is_empty()));
            }
        });
    }
}
