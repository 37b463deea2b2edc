//! Proof Key for Code Exchange (RFC 7636), by S256 only.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// A `code_challenge`: the SHA-256 of the client's verifier, as 43 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Reads a challenge, or returns `None` if it is no SHA-256 in base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// Returns whether a verifier of the form of RFC 7636 section 4.1 belongs to this challenge.
    pub fn is_met_by(&self, verifier: &SecretString) -> bool {
        let verifier = verifier.expose_secret().as_bytes();
        let is_unreserved =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier));
        (43..=128).contains(&verifier.len())
            && verifier.iter().all(is_unreserved)
            && verify_slices_are_equal(hash.as_bytes(), self.0.as_bytes()).is_ok()
    }

    /// Returns the challenge as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn only_its_verifier_meets_a_challenge() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        let meets = |verifier: &str| challenge.is_met_by(&verifier.into());
        assert!(meets(VERIFIER));
        for other in ["", &VERIFIER[1..], &VERIFIER.to_lowercase(), CHALLENGE] {
            assert!(!meets(other), "{other}");
        }
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for (verifier, expected) in [
            ("v".repeat(42), false),
            ("v".repeat(43), true),
            ("v".repeat(128), true),
            ("v".repeat(129), false),
            (format!("{} ", "v".repeat(43)), false),
            ("\u{e9}".repeat(30), false),
        ] {
            let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
            let challenge = CodeChallenge::parse(&hash).unwrap();
            assert_eq!(challenge.is_met_by(&verifier.clone().into()), expected, "{verifier}");
        }
    }

    #[test]
    fn a_challenge_is_a_sha_256_in_base64url() {
        for bad in ["", "plain", &CHALLENGE[1..], &format!("{CHALLENGE}="), &"+".repeat(43)] {
            assert!(CodeChallenge::parse(bad).is_none(), "{bad}");
        }
    }
}
