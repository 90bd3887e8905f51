//! The signature by which a site recognises our webhooks: that of Standard Webhooks
//! (<https://www.standardwebhooks.com>). No I/O.

use std::{collections::BTreeSet, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use scenecast_scene::{Rotating, Secret};
use sha2::Sha256;

/// How many bytes a secret has, as the standard says.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Signs with the current secret and with the previous one, so that a site may change from one to the other at any
/// time.
#[derive(Clone)]
pub struct WebhookSigner(Vec<Hmac<Sha256>>);

/// A random secret has more different bytes than this.
const MIN_DIFFERENT_BYTES: usize = 6;

/// The text isn't the secret of a webhook. The message doesn't repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and the base64 of 24 to 64 random bytes")]
pub struct WebhookSecretError;

impl WebhookSigner {
    /// Signs with these secrets, each `whsec_` and the base64 of 24 to 64 bytes.
    pub fn new(secrets: &Rotating) -> Result<Self, WebhookSecretError> {
        let secrets = [Some(&secrets.current), secrets.previous.as_ref()];
        secrets.into_iter().flatten().map(keyed).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a site that takes what the one signs also takes what the other signs.
    pub(crate) fn shares_secret_with(&self, other: &Self) -> bool {
        let macs = |signer: &Self| -> BTreeSet<Vec<u8>> {
            signer.0.iter().map(|keyed| keyed.clone().finalize().into_bytes().to_vec()).collect()
        };
        !macs(self).is_disjoint(&macs(other))
    }

    /// Whether this secret signs, with or without `whsec_` before it.
    pub(crate) fn signs_with(&self, secret: &Secret) -> bool {
        let written = Rotating::fixed(&format!("whsec_{}", secret.text().trim_start_matches("whsec_")));
        Self::new(&written).is_ok_and(|other| self.shares_secret_with(&other))
    }

    /// The value of `webhook-signature` for this body, which is sent with this id at this unix time in seconds.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let signatures = self.0.iter().map(|keyed| {
            let mac = keyed.clone().chain_update(format!("{id}.{timestamp}.")).chain_update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn keyed(secret: &Secret) -> Result<Hmac<Sha256>, WebhookSecretError> {
    let key = secret.text().strip_prefix("whsec_").and_then(|base64| STANDARD.decode(base64).ok());
    let is_random = |key: &Vec<u8>| key.iter().collect::<BTreeSet<_>>().len() >= MIN_DIFFERENT_BYTES;
    let key = key.filter(|key| SECRET_BYTES.contains(&key.len()) && is_random(key)).ok_or(WebhookSecretError)?;
    Ok(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
}

impl fmt::Debug for WebhookSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<signs with {}>", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own libraries.
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn sign(secrets: &Rotating) -> String {
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        WebhookSigner::new(secrets).unwrap().sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body)
    }

    #[test]
    fn the_standards_example_matches() {
        let signature = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
        assert_eq!(sign(&Rotating::fixed(SECRET)), signature);
    }

    #[test]
    fn during_a_rotation_both_secrets_sign() {
        let both = Rotating { current: OTHER.into(), previous: Some(SECRET.into()) };
        let each = [sign(&Rotating::fixed(OTHER)), sign(&Rotating::fixed(SECRET))];
        assert_eq!(sign(&both), each.join(" "));
    }

    #[test]
    fn a_text_that_is_no_secret_is_refused_and_not_shown() {
        for text in ["whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8", "whsec_!!", "whsec_ä"] {
            assert_eq!(WebhookSigner::new(&Rotating::fixed(text)).err(), Some(WebhookSecretError), "{text}");
            let previous = Rotating { current: SECRET.into(), previous: Some(text.into()) };
            assert_eq!(WebhookSigner::new(&previous).err(), Some(WebhookSecretError), "{text}");
        }
        let guessed = format!("whsec_{}", STANDARD.encode([7; 32]));
        assert_eq!(WebhookSigner::new(&Rotating::fixed(&guessed)).err(), Some(WebhookSecretError));
        let long = format!("whsec_{}", STANDARD.encode([0; 65]));
        assert!(WebhookSigner::new(&Rotating::fixed(&long)).is_err());
        assert_eq!(format!("{:?}", WebhookSigner::new(&Rotating::fixed(SECRET)).unwrap()), "<signs with 1>");
    }
}
