//! Bearer tokens (RFC 6750).

use ::http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// An access token that is valid in an `Authorization` header. The constructor checks it (a reply of Entra, a stored
/// token), so that no later step can fail because of it. Never printed; wiped from memory.
#[derive(Debug, Clone)]
pub struct BearerToken(SecretString);

/// The text has characters that are not allowed in a header (RFC 9110 section 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token cannot stand in a header")]
pub struct InvalidBearerToken;

impl TryFrom<SecretString> for BearerToken {
    type Error = InvalidBearerToken;

    fn try_from(secret: SecretString) -> Result<Self, InvalidBearerToken> {
        header(&secret).map(|_| Self(secret))
    }
}

impl BearerToken {
    /// Returns the value of an `Authorization` header with this token (RFC 6750 section 2.1), marked as sensitive.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "built before, when the token was made"
    )]
    pub fn authorization(&self) -> HeaderValue {
        header(&self.0).expect("the token can stand in a header")
    }

    /// Returns the token itself.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

fn header(secret: &SecretString) -> Result<HeaderValue, InvalidBearerToken> {
    let text = format!("Bearer {}", secret.expose_secret());
    let mut header = HeaderValue::try_from(text).map_err(|_| InvalidBearerToken)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_printed_and_is_wiped_on_drop() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let token = BearerToken::try_from(SecretString::from("eyJ0")).unwrap();
        assert!(!format!("{token:?}").contains("eyJ0"));
        is_wiped(&token.0);
    }

    #[test]
    fn a_token_becomes_a_sensitive_header() {
        let token = BearerToken::try_from(SecretString::from("eyJ0.a-b_c~+/=")).unwrap();
        assert_eq!(token.authorization(), "Bearer eyJ0.a-b_c~+/=");
        assert!(token.authorization().is_sensitive());
        assert!(!format!("{:?}", token.authorization()).contains("eyJ0"));
    }

    #[test]
    fn a_token_that_would_end_its_header_is_refused() {
        for text in ["a\nb", "a\r\nx-name: value", "a\0b", "a\u{7f}"] {
            let refused = BearerToken::try_from(SecretString::from(text));
            assert_eq!(refused.unwrap_err(), InvalidBearerToken, "{text:?}");
        }
    }
}
