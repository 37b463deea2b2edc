//! JSON Web Tokens of the application's own identity provider (RFC 7519, best practice RFC 8725).
//!
//! A token only ever chooses among the keys that the configured issuer publishes: the addresses
//! and keys that a header can carry (`jku`, `x5u`, `jwk`, `x5c`) are not looked at.

use std::sync::Arc;

use entra::jwks::{KeyCache, MOST_KEYS_TRIED, SigningKey};
use ground::clock::Clock;
use ground::transport::Transport;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use vault::ids::UserId;

use super::discovery::Discovery;
use crate::config::JwtConfig;

/// The tolerated difference of clocks, in seconds.
const SKEW: f64 = 60.0;
/// The most keys that are tried for a token without a `kid`.
const MOST_TRIED_WITHOUT_KID: usize = 20;
/// The longest `kid`; no provider publishes a longer one.
const KID_LIMIT: usize = 256;

/// Verifies the tokens of one issuer for one audience.
#[derive(Clone)]
pub struct JwtVerifier {
    config: JwtConfig,
    discovery: Discovery,
    keys: KeyCache,
    clock: Arc<dyn Clock>,
}

/// The rule that a token breaks. Reads as the end of a sentence that begins with "The token".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not have the parts of a signed token.
    #[error("is not a signed JSON Web Token")]
    Malformed,
    /// Its algorithm is not RS256 or ES256, or its key is for another one.
    #[error("is not signed with RS256 or ES256")]
    Algorithm,
    /// Its header demands an extension (`crit`) that we do not support (RFC 7515 §4.1.11).
    #[error("demands an extension that is not supported")]
    Critical,
    /// Its `typ` is another, such as that of a logout token (RFC 8725 §3.11).
    #[error("is of a type that does not authenticate callers")]
    Type,
    /// The issuer publishes no key with its `kid`.
    #[error("is signed with a key that its issuer does not publish")]
    Key,
    /// The signature does not verify.
    #[error("has a signature that does not verify")]
    Signature,
    /// Another provider issued it.
    #[error("was issued by another issuer")]
    Issuer,
    /// It is for another audience.
    #[error("is for another audience")]
    Audience,
    /// It has expired, or has no expiry.
    #[error("has expired")]
    Expired,
    /// It is not valid yet.
    #[error("is not valid yet")]
    NotYetValid,
    /// It names no usable user.
    #[error("names no user")]
    User,
    /// The issuer's keys cannot be read at the moment.
    #[error("cannot be checked: {0}")]
    Unavailable(String),
}

/// Whether a secret has the form of a signed token: three parts in base64url.
pub(super) fn looks_like_one(secret: &SecretString) -> bool {
    let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let mut parts = 0;
    secret.expose_secret().split('.').all(|part| {
        parts += 1;
        !part.is_empty() && part.bytes().all(base64url)
    }) && parts == 3
}

impl JwtVerifier {
    /// Keys are read when the first token comes. `http` must not follow redirects.
    #[must_use]
    pub fn new(config: JwtConfig, http: impl Into<Transport>, clock: Arc<dyn Clock>) -> Self {
        let transport = http.into();
        let discovery =
            Discovery::new(transport.clone(), config.issuer.clone(), Arc::clone(&clock));
        let keys = KeyCache::new(transport, Arc::clone(&clock));
        Self { config, discovery, keys, clock }
    }

    /// The user that a token names, with its issuer.
    ///
    /// # Errors
    /// [`Refusal`] for the first rule that it breaks; [`Refusal::Unavailable`] if it could not be checked.
    pub async fn verify(&self, token: &SecretString) -> Result<UserId, Refusal> {
        let token = token.expose_secret();
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
            return Err(Refusal::Algorithm);
        }
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        if !header.typ.as_deref().is_none_or(is_access_token_type) {
            return Err(Refusal::Type);
        }
        let kid = header.kid.as_deref();
        if kid.is_some_and(|kid| !(1..=KID_LIMIT).contains(&kid.len())) {
            return Err(Refusal::Key);
        }
        self.check(&self.signed(token, kid, header.alg).await?)
    }

    /// Returns the claims, once a published key verifies the signature.
    async fn signed(
        &self,
        token: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Map<String, Value>, Refusal> {
        let unavailable = |error: &dyn std::error::Error| Refusal::Unavailable(error.to_string());
        let address = self.discovery.jwks_uri().await.map_err(|error| unavailable(&error))?;
        let published = self.keys.keys(&address, kid).await.map_err(|error| unavailable(&error))?;
        match signed_by_one_of(&published, (token, kid.is_some()), algorithm) {
            Err(Refusal::Signature) => {
                let newer = self.keys.newer_keys(&address, kid, &published).await;
                signed_by_one_of(&newer, (token, kid.is_some()), algorithm)
                    .map_err(|_| Refusal::Signature)
            }
            decided => decided,
        }
    }

    fn check(&self, claims: &Map<String, Value>) -> Result<UserId, Refusal> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.config.issuer) {
            return Err(Refusal::Issuer);
        }
        let for_us = |value: &Value| value.as_str() == Some(&self.config.audience);
        let audience = match claims.get("aud") {
            Some(Value::Array(several)) => several.iter().any(for_us),
            Some(one) => for_us(one),
            // The access tokens of AWS Cognito name their app in place of an audience
            // (<https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html>).
            None => {
                claims.get("token_use").and_then(Value::as_str) == Some("access")
                    && claims.get("client_id").is_some_and(for_us)
            }
        };
        if !audience {
            return Err(Refusal::Audience);
        }
        let now = self.clock.now().as_duration().as_secs_f64();
        let expires = claims.get("exp").and_then(Value::as_f64).ok_or(Refusal::Expired)?;
        if now >= expires + SKEW {
            return Err(Refusal::Expired);
        }
        if let Some(not_before) = claims.get("nbf") {
            let not_before = not_before.as_f64().ok_or(Refusal::NotYetValid)?;
            if now < not_before - SKEW {
                return Err(Refusal::NotYetValid);
            }
        }
        let user = claims.get(&self.config.user_claim).and_then(Value::as_str);
        let user = user.map(|name| UserId::of_issuer(&self.config.issuer, name));
        user.and_then(Result::ok).ok_or(Refusal::User)
    }
}

/// Tries the keys that suit, until one verifies the token.
fn signed_by_one_of(
    published: &[SigningKey],
    (token, has_kid): (&str, bool),
    algorithm: Algorithm,
) -> Result<Map<String, Value>, Refusal> {
    if published.is_empty() {
        return Err(Refusal::Key);
    }
    let suitable: Vec<_> = published.iter().filter(|key| key.suits(algorithm)).collect();
    if suitable.is_empty() {
        return Err(Refusal::Algorithm);
    }
    let readable = suitable.into_iter().filter_map(|key| DecodingKey::from_jwk(&key.jwk).ok());
    let mut tried = readable.take(if has_kid { MOST_KEYS_TRIED } else { MOST_TRIED_WITHOUT_KID });
    tried.find_map(|key| signed_claims(token, &key, algorithm).ok()).ok_or(Refusal::Signature)
}

/// The claims, once the signature has been verified. Times, issuer and audience are checked by
/// [`JwtVerifier::check`], against our own clock and with our own messages.
fn signed_claims(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<Map<String, Value>, Refusal> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode(token, key, &validation)
        .map(|token| token.claims)
        .map_err(|_| Refusal::Signature)
}

/// RFC 9068 §2.1 for access tokens; most providers use `JWT` (RFC 7519 §5.1).
fn is_access_token_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}
