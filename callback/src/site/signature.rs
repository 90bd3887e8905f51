//! The signature by which a site knows our webhooks: that of Standard Webhooks
//! (<https://www.standardwebhooks.com>). No I/O.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use scenecast_shared::scene::{Rotating, Secret};
use sha2::Sha256;

/// How many bytes a secret has, as the standard says.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Signs with the current secret and the previous one, so that a site may change over at any time
/// between the two.
#[derive(Clone)]
pub struct Signer(Vec<Hmac<Sha256>>);

/// Why a text isn't a webhook's secret. Doesn't repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and the base64 of 24 to 64 bytes")]
pub struct BadSecret;

impl Signer {
    /// With these secrets, each `whsec_` and the base64 of 24 to 64 bytes.
    pub fn new(secrets: &Rotating) -> Result<Self, BadSecret> {
        let secrets = [Some(&secrets.current), secrets.previous.as_ref()];
        secrets.into_iter().flatten().map(keyed).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `webhook-signature` for this body, sent under this id at this unix time in seconds.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let signatures = self.0.iter().map(|keyed| {
            let mac = keyed.clone().chain_update(format!("{id}.{timestamp}.")).chain_update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn keyed(secret: &Secret) -> Result<Hmac<Sha256>, BadSecret> {
    let key = secret.text().strip_prefix("whsec_").and_then(|base64| STANDARD.decode(base64).ok());
    let key = key.filter(|key| BYTES.contains(&key.len())).ok_or(BadSecret)?;
    Ok(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
}

impl fmt::Debug for Signer {
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
        Signer::new(secrets).unwrap().sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body)
    }

    #[test]
    fn the_standards_example_matches() {
        let signature = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
        assert_eq!(sign(&Rotating::fixed(SECRET)), signature);
    }

    #[test]
    fn while_a_secret_is_changed_both_sign() {
        let both = Rotating { current: OTHER.into(), previous: Some(SECRET.into()) };
        let each = [sign(&Rotating::fixed(OTHER)), sign(&Rotating::fixed(SECRET))];
        assert_eq!(sign(&both), each.join(" "));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_shown() {
        for text in ["whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8", "whsec_!!", "whsec_ä"] {
            assert_eq!(Signer::new(&Rotating::fixed(text)).err(), Some(BadSecret), "{text}");
            let previous = Rotating { current: SECRET.into(), previous: Some(text.into()) };
            assert_eq!(Signer::new(&previous).err(), Some(BadSecret), "{text}");
        }
        let long = format!("whsec_{}", STANDARD.encode([0; 65]));
        assert!(Signer::new(&Rotating::fixed(&long)).is_err());
        assert_eq!(format!("{:?}", Signer::new(&Rotating::fixed(SECRET)).unwrap()), "<signs with 1>");
    }
}
