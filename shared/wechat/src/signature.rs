//! The signature on every request that WeChat makes.

use sha1::{Digest, Sha1};

use scenecast_scene::{Rotating, Secret, same};

/// How far a request's timestamp may be from our clock, in seconds. WeChat names no window; this
/// is wide enough for its three deliveries and a clock that is off.
const WINDOW: u64 = 300;

/// Lowercase hex SHA-1 of the parts, sorted bytewise and concatenated.
pub fn sign(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    let mut sha = Sha1::new();
    for part in parts {
        sha.update(part);
    }
    hex::encode(sha.finalize())
}

/// The signed part of a request's query.
#[derive(Debug, Clone, Copy)]
pub struct SignedQuery<'a> {
    /// `signature`, which covers no body; or `msg_signature`, which covers what is encrypted.
    pub signature: &'a str,
    /// `timestamp`, in unix seconds.
    pub timestamp: &'a str,
    /// `nonce`.
    pub nonce: &'a str,
}

/// Why a request isn't WeChat's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not made with this account's token.
    #[error("the signature does not match this account's token")]
    Mismatch,
    /// Made too long ago, or in the future: a replay, or a clock that is off.
    #[error("the timestamp is more than 300 s from this server's clock")]
    Stale,
}

impl SignedQuery<'_> {
    /// Checks `signature` against the account's tokens, in constant time, then the timestamp.
    /// Answers the token that it was made with.
    pub fn verify<'t>(&self, tokens: &'t Rotating, now_secs: u64) -> Result<&'t Secret, SignatureError> {
        self.check(&[self.timestamp, self.nonce], tokens, now_secs)
    }

    /// The same for `msg_signature`, over `Encrypt` as it arrived.
    pub fn verify_over<'t>(
        &self,
        encrypted: &str,
        tokens: &'t Rotating,
        now_secs: u64,
    ) -> Result<&'t Secret, SignatureError> {
        self.check(&[self.timestamp, self.nonce, encrypted], tokens, now_secs)
    }

    fn check<'t>(&self, parts: &[&str], tokens: &'t Rotating, now_secs: u64) -> Result<&'t Secret, SignatureError> {
        let made_with = |token: &Secret| {
            let expected = sign(&[&[token.text()], parts].concat());
            same(expected.as_bytes(), self.signature.as_bytes())
        };
        let token = tokens.find(made_with).ok_or(SignatureError::Mismatch)?;
        match self.timestamp.parse::<u64>() {
            Ok(timestamp) if timestamp.abs_diff(now_secs) <= WINDOW => Ok(token),
            _ => Err(SignatureError::Stale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(signature: &str, timestamp: &str, nonce: &str, now: u64) -> Result<(), SignatureError> {
        SignedQuery { signature, timestamp, nonce }.verify(&Rotating::fixed("AAAAA"), now).map(drop)
    }

    #[test]
    fn wechats_published_examples_match() {
        assert_eq!(sign(&["AAAAA", "1714036504", "1514711492"]), "f464b24fc39322e44b38aa78f5edd27bd1441696");
        assert_eq!(
            verify("899cf89e464efb63f54ddac96b0a0a235f53aa78", "1714037059", "486452656", 1_714_037_060),
            Ok(())
        );
    }

    #[test]
    fn another_token_timestamp_or_nonce_does_not_match() {
        let good = "899cf89e464efb63f54ddac96b0a0a235f53aa78";
        for (signature, timestamp, nonce) in [
            ("", "1714037059", "486452656"),
            (&good[1..], "1714037059", "486452656"),
            (&good.to_uppercase(), "1714037059", "486452656"),
            (good, "1714037058", "486452656"),
            (good, "1714037059", "486452657"),
            (good, "", ""),
        ] {
            assert_eq!(verify(signature, timestamp, nonce, 1_714_037_059), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn a_timestamp_is_good_for_five_minutes_either_way() {
        let good = "899cf89e464efb63f54ddac96b0a0a235f53aa78";
        for (now, expected) in [
            (1_714_037_059 + 300, Ok(())),
            (1_714_037_059 + 301, Err(SignatureError::Stale)),
            (1_714_037_059 - 300, Ok(())),
            (1_714_037_059 - 301, Err(SignatureError::Stale)),
        ] {
            assert_eq!(verify(good, "1714037059", "486452656", now), expected);
        }
    }

    #[test]
    fn a_signed_timestamp_that_is_no_number_is_stale() {
        let signature = sign(&["AAAAA", "soon", "1"]);
        assert_eq!(verify(&signature, "soon", "1", 0), Err(SignatureError::Stale));
    }

    #[test]
    fn the_previous_token_is_accepted_while_it_is_configured() {
        let tokens = Rotating { current: "new".into(), previous: Some("AAAAA".into()) };
        let signed = SignedQuery {
            signature: "899cf89e464efb63f54ddac96b0a0a235f53aa78",
            timestamp: "1714037059",
            nonce: "486452656",
        };
        assert_eq!(signed.verify(&tokens, 1_714_037_059).map(Secret::text), Ok("AAAAA"));
    }

    #[test]
    fn a_signature_over_a_message_is_good_for_that_message() {
        let good = sign(&["AAAAA", "1714037059", "486452656", "Zm9v"]);
        let plain = sign(&["AAAAA", "1714037059", "486452656"]);
        let tokens = Rotating { current: "new".into(), previous: Some("AAAAA".into()) };
        let verify = |signature: &str, nonce, encrypted, now| {
            let signed = SignedQuery { signature, timestamp: "1714037059", nonce };
            signed.verify_over(encrypted, &tokens, now).map(Secret::text)
        };
        assert_eq!(verify(&good, "486452656", "Zm9v", 1_714_037_059), Ok("AAAAA"));
        for (signature, nonce, encrypted) in
            [(&good, "486452656", "Zm9w"), (&good, "486452657", "Zm9v"), (&good, "", ""), (&plain, "486452656", "Zm9v")]
        {
            assert_eq!(verify(signature, nonce, encrypted, 1_714_037_059), Err(SignatureError::Mismatch));
        }
        assert_eq!(verify(&good, "486452656", "Zm9v", 1_714_037_360), Err(SignatureError::Stale));
    }
}
