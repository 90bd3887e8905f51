//! The signature of WeChat's requests.

use sha1::{Digest, Sha1};

use scenecast_scene::{Rotating, Secret, constant_time_eq};

/// How far a request's timestamp may differ from our clock. WeChat documents no limit; this is enough for its three
/// deliveries and a clock that is wrong.
const MAX_CLOCK_SKEW_SECONDS: u64 = 300;

/// Signs these parts: SHA-1 of the parts, sorted by bytes and concatenated, as 40 lowercase hex characters.
pub fn sign(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    let mut sha = Sha1::new();
    for part in parts {
        sha.update(part);
    }
    hex::encode(sha.finalize())
}

/// The parameters of a request's query that are about its signature.
#[derive(Debug, Clone, Copy)]
pub struct SignedQuery<'a> {
    /// `signature`, which covers no body, or `msg_signature`, which covers the encrypted message.
    pub signature: &'a str,
    /// `timestamp`, in unix seconds.
    pub timestamp: &'a str,
    pub nonce: &'a str,
}

/// Why a request is refused as not WeChat's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature wasn't made with a token of this account.
    #[error("the signature does not match this account's token")]
    Mismatch,
    /// The signature was made too long ago, or in the future: it is a replay, or a clock is wrong.
    #[error("the timestamp is more than 300 s from this server's clock")]
    Stale,
}

impl SignedQuery<'_> {
    /// Checks `signature`, in constant time, and then the timestamp. Returns the token that it was made with. `now_secs` is
    /// unix seconds.
    pub fn verify<'t>(&self, tokens: &'t Rotating, now_secs: u64) -> Result<&'t Secret, SignatureError> {
        self.check(&[self.timestamp, self.nonce], tokens, now_secs)
    }

    /// As [`SignedQuery::verify`], for a `msg_signature`, which also covers `Encrypt` as it arrived.
    pub fn verify_encrypted<'t>(
        &self,
        encrypted: &str,
        tokens: &'t Rotating,
        now_secs: u64,
    ) -> Result<&'t Secret, SignatureError> {
        self.check(&[self.timestamp, self.nonce, encrypted], tokens, now_secs)
    }

    fn check<'t>(&self, parts: &[&str], tokens: &'t Rotating, now_secs: u64) -> Result<&'t Secret, SignatureError> {
        let is_made_with = |token: &Secret| {
            let expected = sign(&[&[token.text()], parts].concat());
            constant_time_eq(expected.as_bytes(), self.signature.as_bytes())
        };
        let token = tokens.find(is_made_with).ok_or(SignatureError::Mismatch)?;
        match self.timestamp.parse::<u64>() {
            Ok(timestamp) if timestamp.abs_diff(now_secs) <= MAX_CLOCK_SKEW_SECONDS => Ok(token),
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
    fn a_changed_signature_timestamp_or_nonce_does_not_match() {
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
    fn a_timestamp_may_differ_by_five_minutes() {
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
    fn a_signature_over_a_message_matches_only_that_message() {
        let good = sign(&["AAAAA", "1714037059", "486452656", "Zm9v"]);
        let plain = sign(&["AAAAA", "1714037059", "486452656"]);
        let tokens = Rotating { current: "new".into(), previous: Some("AAAAA".into()) };
        let verify = |signature: &str, nonce, encrypted, now| {
            let signed = SignedQuery { signature, timestamp: "1714037059", nonce };
            signed.verify_encrypted(encrypted, &tokens, now).map(Secret::text)
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
