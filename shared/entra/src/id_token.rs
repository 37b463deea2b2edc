//! ID tokens of a multitenant app (OpenID Connect Core section 3.1.3.7;
//! <https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens>).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::authorization::Nonce;
use crate::identifiers::{ClientId, ObjectId, TenantId};
use crate::jwks::{KeyCache, MOST_KEYS_TRIED, SigningKey};
use crate::metadata::Metadata;

/// The accepted difference between Entra's clock and ours: the default of Microsoft's own libraries.
const SKEW: SignedDuration = SignedDuration::from_secs(300);
/// The longest accepted ID token, in bytes.
const LONGEST: usize = 64 * 1024;

/// The expected values of a token.
pub struct IdTokenExpectations<'a> {
    /// `aud`.
    pub client_id: &'a ClientId,
    /// The nonce of the authorization request.
    pub nonce: &'a Nonce,
    /// The tenants whose users may sign in; any work or school account if empty.
    pub tenants: &'a [TenantId],
}

/// The user who signed in. `(tenant_id, object_id)` is the identity; the rest is for display.
#[derive(Debug, Clone)]
pub struct Identity {
    /// `tid`.
    pub tenant_id: TenantId,
    /// `oid`.
    pub object_id: ObjectId,
    /// `name`.
    pub name: Option<String>,
    /// `preferred_username`: it can change and be false.
    pub username: Option<String>,
    /// `iss`.
    pub issuer: String,
}

/// The rule that a token breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// Not a signed token with the required claims.
    #[error("it is not an ID token of Entra")]
    Malformed,
    /// Not signed with RS256.
    #[error("it is not signed with RS256")]
    Algorithm,
    /// Signed with a key that the issuer does not publish, or that may not sign for this issuer.
    #[error("it is signed with a key that is not the issuer's")]
    UnknownKey,
    /// The keys cannot be read.
    #[error("the issuer's keys cannot be read")]
    KeysUnavailable,
    /// The signature does not verify.
    #[error("its signature does not verify")]
    Signature,
    /// Issued by another issuer, or by one that is not of the token's own tenant.
    #[error("it was issued by another issuer")]
    Issuer,
    /// Issued for another app.
    #[error("it is for another application")]
    Audience,
    /// Issued for another authorization request.
    #[error("its nonce is not the request's")]
    Nonce,
    /// Expired, or not valid yet.
    #[error("it is not valid at this time")]
    Time,
    /// Issued to a personal Microsoft account.
    #[error("it is a personal Microsoft account's")]
    PersonalMicrosoftAccount,
    /// Issued by a tenant that is not allowed.
    #[error("its tenant is not allowed")]
    TenantNotAllowed,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    /// Optional in OpenID Connect; Entra always sends it.
    #[serde(default)]
    nbf: Option<i64>,
    tid: TenantId,
    oid: ObjectId,
    nonce: Option<SecretString>,
    name: Option<String>,
    preferred_username: Option<String>,
}

/// Validates an ID token that came from the token endpoint.
///
/// # Errors
/// [`IdTokenError`], with the first rule that the token breaks.
pub async fn validate(
    expected: &IdTokenExpectations<'_>,
    token: &SecretString,
    metadata: &Metadata,
    keys: &KeyCache,
    now: Timestamp,
) -> Result<Identity, IdTokenError> {
    let token = token.expose_secret();
    if token.len() > LONGEST {
        return Err(IdTokenError::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| IdTokenError::Algorithm)?;
    if header.alg != Algorithm::RS256 {
        return Err(IdTokenError::Algorithm);
    }
    if header.crit.is_some() {
        return Err(IdTokenError::Malformed);
    }
    let kid = header.kid.as_deref().ok_or(IdTokenError::UnknownKey)?;
    let published = keys.keys(&metadata.jwks_uri, Some(kid)).await;
    let published = published.map_err(|_| IdTokenError::KeysUnavailable)?;
    let mut judged = judge(expected, token, metadata, &published, now);
    if matches!(judged, Err(IdTokenError::Signature)) {
        let newer = keys.newer_keys(&metadata.jwks_uri, Some(kid), &published).await;
        if !newer.is_empty() {
            judged = judge(expected, token, metadata, &newer, now);
        }
    }
    judged.map(Identity::from)
}

/// Tries the keys that suit, until one verifies the token.
fn judge(
    expected: &IdTokenExpectations<'_>,
    token: &str,
    metadata: &Metadata,
    published: &[SigningKey],
    now: Timestamp,
) -> Result<Claims, IdTokenError> {
    let readable = published.iter().filter(|key| key.suits(Algorithm::RS256)).filter_map(|key| {
        let decoding = DecodingKey::from_jwk(&key.jwk).ok()?;
        Some((key, decoding))
    });
    let mut refusal = IdTokenError::UnknownKey;
    for (key, decoding) in readable.take(MOST_KEYS_TRIED) {
        let claims = signed_claims(token, &decoding)
            .and_then(|claims| check(expected, &claims, metadata, key, now).map(|()| claims));
        match claims {
            Err(error @ (IdTokenError::Signature | IdTokenError::UnknownKey)) => refusal = error,
            decided => return decided,
        }
    }
    Err(refusal)
}

/// Returns the tenant in a token, **which is not verified yet**. Use it only to find the keys that verify the token.
pub fn unverified_tenant(token: &SecretString) -> Option<TenantId> {
    #[derive(Deserialize)]
    struct Claims {
        tid: TenantId,
    }
    let token = token.expose_secret();
    let claims = token.split('.').nth(1).filter(|_| token.len() <= LONGEST)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.tid)
}

impl From<Claims> for Identity {
    fn from(claims: Claims) -> Self {
        Self {
            tenant_id: claims.tid,
            object_id: claims.oid,
            name: claims.name,
            username: claims.preferred_username,
            issuer: claims.iss,
        }
    }
}

fn signed_claims(token: &str, key: &DecodingKey) -> Result<Claims, IdTokenError> {
    let mut validation = Validation::new(Algorithm::RS256);
    // Only the signature here; the claims are checked below, against our own clock.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode(token, key, &validation).map(|token| token.claims).map_err(|error| {
        match error.kind() {
            jsonwebtoken::errors::ErrorKind::Json(_) => IdTokenError::Malformed,
            _ => IdTokenError::Signature,
        }
    })
}

fn check(
    expected: &IdTokenExpectations<'_>,
    claims: &Claims,
    metadata: &Metadata,
    key: &SigningKey,
    now: Timestamp,
) -> Result<(), IdTokenError> {
    let of_tenant = |template: &str| template.replace("{tenantid}", &claims.tid.to_string());
    // A tenant's own discovery document names its issuer without `{tenantid}`, so the issuer must contain the tenant as
    // well.
    let names_its_tenant = claims.iss.split('/').any(|part| part == claims.tid.to_string());
    if claims.iss != of_tenant(&metadata.issuer) || !names_its_tenant {
        return Err(IdTokenError::Issuer);
    }
    if key.issuer.as_deref().is_some_and(|issuer| claims.iss != of_tenant(issuer)) {
        return Err(IdTokenError::UnknownKey);
    }
    if claims.aud != expected.client_id.to_string() {
        return Err(IdTokenError::Audience);
    }
    let at = |seconds| Timestamp::from_second(seconds).map_err(|_| IdTokenError::Time);
    let not_before = claims.nbf.map(at).transpose()?;
    // The allowance is added to our own time, because adding it to theirs could overflow.
    if now - SKEW >= at(claims.exp)? || not_before.is_some_and(|time| now + SKEW < time) {
        return Err(IdTokenError::Time);
    }
    let nonce = expected.nonce.secret().expose_secret().as_bytes();
    let received = claims.nonce.as_ref().map_or("", ExposeSecret::expose_secret).as_bytes();
    verify_slices_are_equal(received, nonce).map_err(|_| IdTokenError::Nonce)?;
    if claims.tid.is_personal_microsoft_accounts() {
        return Err(IdTokenError::PersonalMicrosoftAccount);
    }
    if !expected.tenants.is_empty() && !expected.tenants.contains(&claims.tid) {
        return Err(IdTokenError::TenantNotAllowed);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
