//! The text in every secret of the emulators, so that tests can search for leaks.

use aws_lc_rs::rand as secure_random;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The marker in every access token, refresh token, authorization code, ID token and client secret on the wire.
///
/// It is the base64url form of [`MARKER_DECODED`]. ID tokens and access tokens carry the decoded text as their first
/// private claim (`mark`) at an offset that is a multiple of three, so the encoded token holds this text literally too.
pub const MARKER: &str = "Y2FuYXJ5N2YzYTQy";

/// The decoded [`MARKER`]: also search for it where a token's claims may have been decoded.
pub const MARKER_DECODED: &str = "canary7f3a42";

/// The marker to search for in responses, logs and errors: [`MARKER`].
///
/// Encoding a secret once more hides it (a `Basic` header, a base64 event body); for those, search for the encoded
/// forms of the secrets in `Entra::secrets_issued`.
pub fn marker() -> &'static str {
    MARKER
}

/// Mints an opaque secret such as an authorization code: `prefix`, the marker, then `random_bytes` of randomness.
pub(crate) fn opaque(prefix: &str, random_bytes: usize) -> String {
    format!("{prefix}{MARKER}.{}", random_text(random_bytes))
}

/// Returns the JSON of token claims with the marker in front, aligned so that base64url contains [`MARKER`] literally.
pub(crate) fn marked_claims(claims: &serde_json::Value) -> String {
    let rest = claims.to_string();
    let rest = rest.trim_start_matches('{');
    format!(r#"{{"mark":"{MARKER_DECODED}",{rest}"#)
}

/// Returns `bytes` random bytes as base64url text.
pub(crate) fn random_text(bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes];
    // aws-lc's generator fails only if the operating system has no randomness.
    if secure_random::fill(&mut buffer).is_err() {
        for byte in &mut buffer {
            *byte = rand::random();
        }
    }
    URL_SAFE_NO_PAD.encode(buffer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_marker_shows_in_encoded_claims() {
        let claims = serde_json::json!({"aud": "x", "sub": "y"});
        let json = marked_claims(&claims);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["aud"], "x");
        assert_eq!(parsed["mark"], MARKER_DECODED);
        assert!(URL_SAFE_NO_PAD.encode(json).contains(MARKER));
    }

    #[test]
    fn opaque_secrets_carry_the_marker_and_differ() {
        assert!(opaque("1.A", 16).contains(marker()));
        assert_ne!(opaque("1.A", 16), opaque("1.A", 16));
    }
}
