//! Secrets: the deployment's own, in rotation, and the one-time grant.

use std::{fmt, marker::PhantomData, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::id::{IdError, OpenId, SceneId, digest128, id128};

/// Whether two byte strings are the same, in time that depends on their lengths only.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// A secret from configuration, never empty, never printed.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.text().as_bytes()
    }

    /// The secret's text, for the few places that have to send it.
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
        Ok(Self(text))
    }
}

/// A secret that can be changed without a moment at which something valid is refused: what is
/// made is made with `current`, what is checked may be `previous`. Written as the two, or as a text
/// that is the current one.
#[derive(Debug, Clone)]
pub struct Rotating<T = Secret> {
    /// Signs, and is accepted.
    pub current: T,
    /// Is still accepted.
    pub previous: Option<T>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rotating<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, bound = "T: Deserialize<'de>")]
        struct Both<T> {
            current: T,
            #[serde(default)]
            previous: Option<T>,
        }

        // By hand, because serde's own messages would repeat a text that is not what they expect.
        struct Written<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Written<T> {
            type Value = Rotating<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret, or its current and previous value")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rotating<T>, E> {
                let current = T::deserialize(de::value::StrDeserializer::<E>::new(text))?;
                Ok(Rotating { current, previous: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Rotating<T>, A::Error> {
                let Both { current, previous } = Both::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Rotating { current, previous })
            }
        }

        from.deserialize_any(Written(PhantomData))
    }
}

impl Rotating {
    /// A secret that isn't being rotated.
    pub fn fixed(secret: &str) -> Self {
        Self { current: secret.into(), previous: None }
    }
}

impl<T> Rotating<T> {
    /// The accepted secret that satisfies `check`. Both are checked, so that the time it takes
    /// doesn't tell which.
    pub fn find(&self, check: impl Fn(&T) -> bool) -> Option<&T> {
        let current = check(&self.current);
        let previous = self.previous.as_ref().filter(|previous| check(previous));
        if current { Some(&self.current) } else { previous }
    }

    /// Whether any accepted secret satisfies `check`.
    pub fn any(&self, check: impl Fn(&T) -> bool) -> bool {
        self.find(check).is_some()
    }
}

id128! {
    /// What ties a scene to one browser: a digest of the `state` that the site keeps in that
    /// browser's session, so that a grant from somebody else's page is of no use in it.
    Binding, "a state binding"
}

impl Binding {
    /// The binding for a site's `state`.
    pub fn of(state: &str) -> Self {
        Self(digest128(&[b"state", state.as_bytes()]))
    }
}

id128! {
    /// What is stored of a grant.
    GrantDigest, "a grant digest"
}

/// The one-time code that a confirmed scene hands to its page: the scene, and 128 bits that can't be guessed.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    scene: SceneId,
    nonce: [u8; 16],
}

/// What grants are made with: two secrets, of which only callbacks hold both. Gateways have the deployment's, and
/// whoever else works with the account at WeChat has the account's.
#[derive(Debug, Clone, Copy)]
pub struct GrantSecrets<'a> {
    /// What gateways and callbacks share.
    pub deployment: &'a Secret,
    /// What WeChat and those who work with the account share.
    pub account: &'a Secret,
}

impl Grant {
    /// The grant that this person's login hands to this scene's page. It is the same each time: a failover may lose a
    /// login after its page was told, and when WeChat delivers again, or they scan again, the page's grant has to be
    /// good.
    pub fn derive(secrets: GrantSecrets<'_>, scene: SceneId, who: &OpenId) -> Self {
        let inner = secrets.deployment.mac(&[b"grant", &scene.0, who.as_str().as_bytes()]);
        let mac = secrets.account.mac(&[b"grant", &inner]);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&mac[..16]);
        Self { scene, nonce }
    }

    /// A grant of nobody's.
    #[cfg(any(test, feature = "testing"))]
    pub fn issue(scene: SceneId) -> Self {
        Self { scene, nonce: rand::random() }
    }

    /// The scene that it ends.
    pub fn scene(&self) -> SceneId {
        self.scene
    }

    /// What is stored of it and compared.
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
                let (mut scene, mut nonce) = ([0; 16], [0; 16]);
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
    fn a_grant_is_the_same_for_the_same_scene_person_and_secrets_only() {
        let derive = |deployment: &str, account: &str, scene, who: &str| {
            let (deployment, account) = (&Secret::from(deployment), &Secret::from(account));
            Grant::derive(GrantSecrets { deployment, account }, SceneId([scene; 16]), &who.parse().unwrap())
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
    fn secrets_and_grants_do_not_print() {
        let grant = Grant::issue(SceneId([7; 16]));
        assert!(!format!("{grant:?}").contains(&grant.to_string()));
        assert_eq!(format!("{:?}", Rotating::fixed("hush").current), "<secret>");
    }
}
