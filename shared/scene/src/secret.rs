//! Secrets: configured secrets, in rotation, and the one-time grant.

use std::{fmt, marker::PhantomData, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::id::{IdError, OpenId, SceneId, digest128, id128};

/// Whether two byte strings are equal. The time depends only on their lengths.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// A secret from the configuration. It is never empty, and `Debug` doesn't show it.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn bytes(&self) -> &[u8] {
        self.text().as_bytes()
    }

    /// The secret as text, for the few places that have to send it.
    pub fn text(&self) -> &str {
        self.0.expose_secret()
    }

    /// HMAC-SHA256 over the parts, each preceded by its length.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.bytes()).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = SecretString::deserialize(from)?;
        if text.expose_secret().is_empty() {
            return Err(de::Error::custom("a secret must not be empty"));
        }
        // The line break at the end of a file gets into secrets easily. The other party's secret has none.
        if text.expose_secret().trim() != text.expose_secret() || text.expose_secret().contains(char::is_control) {
            return Err(de::Error::custom("a secret must not begin or end with a blank, or have a line break"));
        }
        Ok(Self(text))
    }
}

/// A secret that can be changed without downtime: new signatures use `current`, and signatures by `previous` are accepted,
/// too. In configuration it is a table of both, or a text, which is `current`.
#[derive(Debug, Clone)]
pub struct Rotating<T = Secret> {
    pub current: T,
    /// The secret before the change, while it is still accepted.
    pub previous: Option<T>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rotating<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, bound = "T: Deserialize<'de>")]
        struct RotatingTable<T> {
            current: T,
            #[serde(default)]
            previous: Option<T>,
        }

        // Not derived, because serde's error messages would repeat an unexpected text, and that may be a secret.
        struct RotatingVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for RotatingVisitor<T> {
            type Value = Rotating<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret, or its current and previous value")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rotating<T>, E> {
                let current = T::deserialize(de::value::StrDeserializer::<E>::new(text))?;
                Ok(Rotating { current, previous: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Rotating<T>, A::Error> {
                let RotatingTable { current, previous } =
                    RotatingTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Rotating { current, previous })
            }
        }

        from.deserialize_any(RotatingVisitor(PhantomData))
    }
}

impl Rotating {
    /// A secret that isn't being rotated.
    pub fn fixed(secret: &str) -> Self {
        Self { current: secret.into(), previous: None }
    }
}

impl<T> Rotating<T> {
    /// The first of `current` and `previous` that satisfies `check`. Both are always checked, so that the time doesn't tell
    /// which of them matched.
    pub fn find(&self, check: impl Fn(&T) -> bool) -> Option<&T> {
        let current = check(&self.current);
        let previous = self.previous.as_ref().filter(|previous| check(previous));
        if current { Some(&self.current) } else { previous }
    }

    /// Whether this is the previous value: a reference into this pair, such as [`Rotating::find`] returns.
    pub fn is_previous(&self, secret: &T) -> bool {
        self.previous.as_ref().is_some_and(|previous| std::ptr::eq(previous, secret))
    }

    /// Whether `current` or `previous` satisfies `check`. Both are always checked.
    pub fn any(&self, check: impl Fn(&T) -> bool) -> bool {
        self.find(check).is_some()
    }
}

id128! {
    /// Binds a scene to one browser: a digest of the `state` that the site keeps in the browser's session. A grant from
    /// another browser's page can't be redeemed in this session.
    Binding, "a state binding (22 base64url characters)"
}

impl Binding {
    /// The binding for this `state`.
    pub fn of(state: &str) -> Self {
        Self(digest128(&[b"state", state.as_bytes()]))
    }
}

id128! {
    /// A digest of a grant. Redis stores the digest, and not the grant.
    GrantDigest, "a grant digest (22 base64url characters)"
}

/// The one-time code that a page gets when its scene is confirmed: the scene's id, and 128 bits that can't be guessed.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    scene: SceneId,
    nonce: [u8; 16],
}

/// The two secrets from which grants are derived. Only callbacks have both: gateways have only the deployment's secret, and
/// other programs that use the account at WeChat have only the account's secret.
#[derive(Debug, Clone, Copy)]
pub struct GrantSecrets<'a> {
    /// The secret that gateways and callbacks share.
    pub deployment: &'a Secret,
    /// The account's app secret at WeChat.
    pub account: &'a Secret,
}

impl Grant {
    /// The grant for this person's login in this scene. It is derived, so that it is the same each time: a failover may lose
    /// a login whose page has its grant already. When the person scans again or WeChat delivers again, that grant becomes
    /// valid again.
    ///
    /// See docs/decisions/014-a-grant-is-derived.md.
    pub fn derive(secrets: GrantSecrets<'_>, scene: SceneId, who: &OpenId) -> Self {
        let inner = secrets.deployment.mac(&[b"grant", &scene.0, who.as_str().as_bytes()]);
        let mac = secrets.account.mac(&[b"grant", &inner]);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&mac[..16]);
        Self { scene, nonce }
    }

    /// A random grant, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn issue(scene: SceneId) -> Self {
        Self { scene, nonce: rand::random() }
    }

    /// The scene that it belongs to.
    pub fn scene(&self) -> SceneId {
        self.scene
    }

    /// The digest that is stored and compared.
    pub fn digest(&self) -> GrantDigest {
        GrantDigest(digest128(&[b"grant", &self.scene.0, &self.nonce]))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode([self.scene.0, self.nonce].concat()))
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<grant for {}>", self.scene)
    }
}

impl FromStr for Grant {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) if text.len() == 43 => {
                let mut scene = [0; 16];
                let mut nonce = [0; 16];
                scene.copy_from_slice(&bytes[..16]);
                nonce.copy_from_slice(&bytes[16..]);
                Ok(Self { scene: SceneId(scene), nonce })
            }
            _ => Err(IdError("a grant (43 base64url characters)")),
        }
    }
}

impl Serialize for Grant {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_reads_back_and_names_its_scene() {
        let grant = Grant::issue(SceneId([7; 16]));
        let read: Grant = grant.to_string().parse().unwrap();
        assert_eq!(read, grant);
        assert_eq!(read.scene(), SceneId([7; 16]));
        assert_eq!(read.digest(), grant.digest());
    }

    #[test]
    fn a_grant_depends_on_scene_person_and_both_secrets() {
        let derive = |deployment: &str, account: &str, scene, who: &str| {
            let deployment = Secret::from(deployment);
            let account = Secret::from(account);
            Grant::derive(
                GrantSecrets { deployment: &deployment, account: &account },
                SceneId([scene; 16]),
                &who.parse().unwrap(),
            )
        };
        let grant = derive("ours", "theirs", 1, "oAnn");
        assert_eq!(grant, derive("ours", "theirs", 1, "oAnn"));
        for other in [
            derive("ours", "theirs", 2, "oAnn"),
            derive("ours", "theirs", 1, "oBo"),
            derive("old", "theirs", 1, "oAnn"),
            derive("ours", "old", 1, "oAnn"),
            derive("theirs", "ours", 1, "oAnn"),
        ] {
            assert_ne!(other.digest(), grant.digest());
            assert_ne!(other.nonce, grant.nonce);
        }
    }

    #[test]
    fn a_secret_has_no_line_break_and_no_blank_around_it() {
        let read = |text: &str| Secret::deserialize(de::value::StrDeserializer::<de::value::Error>::new(text));
        for text in ["hush\n", "hush\r\n", " hush", "hush ", "hu\nsh", "hu\u{0}sh", " ", ""] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert_eq!(read("hush hush").unwrap().text(), "hush hush");
    }

    #[test]
    fn debug_output_shows_no_secret_and_no_grant() {
        let grant = Grant::issue(SceneId([7; 16]));
        assert!(!format!("{grant:?}").contains(&grant.to_string()));
        assert_eq!(format!("{:?}", Rotating::fixed("hush").current), "<secret>");
    }
}
