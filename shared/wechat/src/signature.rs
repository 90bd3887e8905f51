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

/// A signature that was made with a token of the account, within 300 s of our clock.
#[derive(Debug, Clone, Copy)]
pub struct VerifiedSignature<'t> {
    /// The token that it was made with.
    pub token: &'t Secret,
    /// The signer's clock less ours, in seconds, as the timestamp says. A request that was long under way has a smaller
    /// value.
    pub ahead_secs: i64,
}

/// Why a request isn't accepted as WeChat's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature wasn't made with a token of this account.
    #[error("the signature does not match this account's token")]
    Mismatch,
    /// The signature is right, and the timestamp is no time.
    #[error("the timestamp is no number of seconds")]
    NoTime,
    /// The signature is right, and was made too long ago, or in the future: it is a replay, or a clock is wrong.
    #[error(
        "the timestamp is {} s {} this server's clock, and 300 s are allowed; is this server's clock right?",
        .ahead_secs.unsigned_abs(),
        if *.ahead_secs > 0 { "ahead of" } else { "behind" }
    )]
    Stale {
        /// The signer's clock less ours, in seconds.
        ahead_secs: i64,
    },
}

impl SignedQuery<'_> {
    /// Checks `signature`, in constant time, and then the timestamp. `now_secs` is unix seconds.
    pub fn verify<'t>(&self, tokens: &'t Rotating, now_secs: u64) -> Result<VerifiedSignature<'t>, SignatureError> {
        self.check(&[self.timestamp, self.nonce], tokens, now_secs)
    }

    /// As [`SignedQuery::verify`], for a `msg_signature`, which also covers `Encrypt` as it arrived.
    pub fn verify_encrypted<'t>(
        &self,
        encrypted: &str,
        tokens: &'t Rotating,
        now_secs: u64,
    ) -> Result<VerifiedSignature<'t>, SignatureError> {
        self.check(&[self.timestamp, self.nonce, encrypted], tokens, now_secs)
    }

    fn check<'t>(
        &self,
        parts: &[&str],
        tokens: &'t Rotating,
        now_secs: u64,
    ) -> Result<VerifiedSignature<'t>, SignatureError> {
        let is_made_with = |token: &Secret| {
            let expected = sign(&[&[token.text()], parts].concat());
            constant_time_eq(expected.as_bytes(), self.signature.as_bytes())
        };
        let token = tokens.find(is_made_with).ok_or(SignatureError::Mismatch)?;
        let signed_at: u64 = self.timestamp.parse().map_err(|_| SignatureError::NoTime)?;
        let ahead_secs = signed_at.checked_signed_diff(now_secs).ok_or(SignatureError::NoTime)?;
        if ahead_secs.unsigned_abs() > MAX_CLOCK_SKEW_SECONDS {
            return Err(SignatureError::Stale { ahead_secs });
        }
        Ok(VerifiedSignature { token, ahead_secs })
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
            (1_714_037_059 + 301, Err(SignatureError::Stale { ahead_secs: -301 })),
            (1_714_037_059 - 300, Ok(())),
            (1_714_037_059 - 301, Err(SignatureError::Stale { ahead_secs: 301 })),
        ] {
            assert_eq!(verify(good, "1714037059", "486452656", now), expected);
        }
    }

    #[test]
    fn a_signed_timestamp_that_is_no_time_is_refused() {
        for timestamp in ["soon", "", "-1", "1714037059.5", &u64::MAX.to_string(), "99999999999999999999"] {
            let signature = sign(&["AAAAA", timestamp, "1"]);
            assert_eq!(verify(&signature, timestamp, "1", 0), Err(SignatureError::NoTime), "{timestamp}");
        }
    }

    #[test]
    fn a_right_signature_says_how_far_its_clock_is_ahead() {
        let tokens = Rotating::fixed("AAAAA");
        let signature = sign(&["AAAAA", "1714037059", "1"]);
        let signed = SignedQuery { signature: &signature, timestamp: "1714037059", nonce: "1" };
        for ahead_secs in [-300, -1, 0, 300] {
            let verified = signed.verify(&tokens, 1_714_037_059_u64.saturating_add_signed(-ahead_secs));
            assert_eq!(verified.map(|verified| verified.ahead_secs), Ok(ahead_secs));
        }
    }

    #[test]
    fn the_previous_token_is_accepted_while_it_is_configured() {
        let tokens = Rotating { current: "new".into(), previous: Some("AAAAA".into()) };
        let signed = SignedQuery {
            signature: "899cf89e464efb63f54ddac96b0a0a235f53aa78",
            timestamp: "1714037059",
            nonce: "486452656",
        };
        assert_eq!(signed.verify(&tokens, 1_714_037_059).map(|verified| verified.token.text()), Ok("AAAAA"));
    }

    #[test]
    fn a_signature_over_a_message_matches_only_that_message() {
        let good = sign(&["AAAAA", "1714037059", "486452656", "Zm9v"]);
        let plain = sign(&["AAAAA", "1714037059", "486452656"]);
        let tokens = Rotating { current: "new".into(), previous: Some("AAAAA".into()) };
        let verify = |signature: &str, nonce, encrypted, now| {
            let signed = SignedQuery { signature, timestamp: "1714037059", nonce };
            signed.verify_encrypted(encrypted, &tokens, now).map(|verified| verified.token.text())
        };
        assert_eq!(verify(&good, "486452656", "Zm9v", 1_714_037_059), Ok("AAAAA"));
        for (signature, nonce, encrypted) in
            [(&good, "486452656", "Zm9w"), (&good, "486452657", "Zm9v"), (&good, "", ""), (&plain, "486452656", "Zm9v")]
        {
            assert_eq!(verify(signature, nonce, encrypted, 1_714_037_059), Err(SignatureError::Mismatch));
        }
        let stale = Err(SignatureError::Stale { ahead_secs: -301 });
        assert_eq!(verify(&good, "486452656", "Zm9v", 1_714_037_360), stale);
    }
}
