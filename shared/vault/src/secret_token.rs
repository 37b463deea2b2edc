//! Secrets that we mint: session tokens, `state`, cookies, confirmation codes, API keys.
//!
//! Each has 256 random bits and is stored only as its SHA-256, a fast hash, which is enough for values that cannot be
//! guessed.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub use ground::minted::mint;

/// The SHA-256 of a secret, as 43 characters of base64url. Safe to store and to use as a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(String);

impl SecretHash {
    /// Hashes a secret.
    pub fn of(secret: &SecretString) -> Self {
        Self(URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.expose_secret().as_bytes())))
    }

    /// Whether this is the hash of `secret`, compared in constant time.
    pub fn matches(&self, secret: &SecretString) -> bool {
        self.is(&Self::of(secret))
    }

    /// Whether both are hashes of the same secret, compared in constant time.
    pub fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }

    /// The hash as text, for a table key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_secrets_differ_and_only_match_their_own_hash() {
        let mut rng = ground::random::Random::System;
        let (one, two) = (mint(&mut rng), mint(&mut rng));
        assert_eq!(one.expose_secret().len(), 43);
        assert!(SecretHash::of(&one).matches(&one));
        assert!(!SecretHash::of(&one).matches(&two));
        assert!(!format!("{one:?}").contains(one.expose_secret()));
    }
}
