//! The app's credential for Entra: a client secret, or an assertion signed with a certificate's key (RFC 7523;
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::identifiers::ClientId;

/// The lifetime of an assertion: Microsoft asks for 5 to 10 minutes.
const ASSERTION_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// RFC 7523 section 2.2.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client credential.
pub enum ClientCredential {
    /// A client secret's value.
    Secret(SecretString),
    /// A certificate whose key signs assertions.
    Certificate(CertificateCredential),
    /// An assertion that another identity provider signed.
    Assertion(SecretString),
}

impl ClientCredential {
    /// Returns whether both credentials are the same for Entra, so that a retry with the other one is useless.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(one), Self::Secret(two))
            | (Self::Assertion(one), Self::Assertion(two)) => {
                let (one, two) = (one.expose_secret().as_bytes(), two.expose_secret().as_bytes());
                aws_lc_rs::constant_time::verify_slices_are_equal(one, two).is_ok()
            }
            (Self::Certificate(one), Self::Certificate(two)) => one.thumbprint == two.thumbprint,
            _ => false,
        }
    }
}

/// A certificate and its private key.
pub struct CertificateCredential {
    /// `x5t#S256` (RFC 7515 section 4.1.8).
    thumbprint: String,
    not_after: Timestamp,
    key: EncodingKey,
}

/// The reasons why a certificate or key is unusable. The messages quote neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The certificate is not PEM, or not X.509.
    #[error("certificate_pem is not an X.509 certificate in PEM")]
    Certificate,
    /// The key is not PEM, or not RSA.
    #[error("private_key_pem is not an RSA private key in PEM (PKCS #8 or PKCS #1, not encrypted)")]
    PrivateKey,
    /// The key is shorter than 2048 bits.
    #[error("the RSA key has fewer than 2048 bits")]
    WeakKey,
    /// The key does not belong to the certificate.
    #[error("private_key_pem is not the private key of certificate_pem")]
    Mismatch,
    /// The key failed to sign.
    #[error("the assertion could not be signed")]
    Signing,
}

impl CertificateCredential {
    /// Reads and checks a certificate and its key.
    ///
    /// # Errors
    /// [`CredentialError`] if either is unusable, or they do not belong together.
    pub fn from_pem(
        certificate: &str,
        private_key: &SecretString,
    ) -> Result<Self, CredentialError> {
        let certificate = pem::parse(certificate).map_err(|_| CredentialError::Certificate)?;
        if certificate.tag() != "CERTIFICATE" {
            return Err(CredentialError::Certificate);
        }
        let der = certificate.contents();
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|_| CredentialError::Certificate)?;
        let pair = key_pair(private_key)?;
        if pair.public_modulus_len() < 256 {
            return Err(CredentialError::WeakKey);
        }
        if *parsed.public_key().subject_public_key.data != *pair.public_key().as_ref() {
            return Err(CredentialError::Mismatch);
        }
        let not_after = Timestamp::from_second(parsed.validity().not_after.timestamp())
            .map_err(|_| CredentialError::Certificate)?;
        let key = EncodingKey::from_rsa_pem(private_key.expose_secret().as_bytes())
            .map_err(|_| CredentialError::PrivateKey)?;
        Ok(Self { thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, der)), not_after, key })
    }

    /// Returns the expiry of the certificate.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Returns a fresh assertion for one request to `token_endpoint`.
    ///
    /// # Errors
    /// [`CredentialError::Signing`] if the key fails to sign.
    pub fn assertion(
        &self,
        client_id: &ClientId,
        token_endpoint: &str,
        now: Timestamp,
    ) -> Result<SecretString, CredentialError> {
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(self.thumbprint.clone());
        let claims = json!({
            "aud": token_endpoint,
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4(),
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": (now + ASSERTION_LIFETIME).as_second(),
        });
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map(SecretString::from)
            .map_err(|_| CredentialError::Signing)
    }
}

fn key_pair(private_key: &SecretString) -> Result<rsa::KeyPair, CredentialError> {
    let pem = pem::parse(private_key.expose_secret()).map_err(|_| CredentialError::PrivateKey)?;
    let der = zeroize::Zeroizing::new(pem.contents().to_vec());
    let pair = match pem.tag() {
        "PRIVATE KEY" => rsa::KeyPair::from_pkcs8(&der),
        "RSA PRIVATE KEY" => rsa::KeyPair::from_der(&der),
        _ => return Err(CredentialError::PrivateKey),
    };
    pair.map_err(|_| CredentialError::PrivateKey)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    const CERTIFICATE: &str = include_str!("credential/certificate.pem");
    const KEY: &str = include_str!("credential/private_key.pem");
    const OTHER_KEY: &str = include_str!("credential/other_private_key.pem");

    fn credential() -> CertificateCredential {
        CertificateCredential::from_pem(CERTIFICATE, &KEY.into()).unwrap()
    }

    #[test]
    fn an_assertion_names_the_app_the_endpoint_and_the_certificate() {
        let client_id: ClientId = "11111111-1111-4111-8111-111111111111".parse().unwrap();
        let endpoint = "https://login.microsoftonline.com/organizations/oauth2/v2.0/token";
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let one = credential().assertion(&client_id, endpoint, now).unwrap();
        let two = credential().assertion(&client_id, endpoint, now).unwrap();
        let pair = key_pair(&KEY.into()).unwrap();
        let mut validation = Validation::new(Algorithm::PS256);
        validation.set_audience(&[endpoint]);
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        let decode = |token: &SecretString| {
            jsonwebtoken::decode::<Value>(token.expose_secret(), &key, &validation).unwrap()
        };
        let token = decode(&one);
        assert_eq!(token.header.alg, Algorithm::PS256);
        let der = pem::parse(CERTIFICATE).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, der.contents()));
        assert_eq!(token.header.x5t_s256.as_deref(), Some(thumbprint.as_str()));
        assert_eq!(token.claims["iss"], client_id.to_string());
        assert_eq!(token.claims["sub"], client_id.to_string());
        assert_eq!(token.claims["exp"], 1_800_000_600);
        assert_ne!(token.claims["jti"], decode(&two).claims["jti"]);
    }

    #[test]
    fn an_unusable_credential_is_refused_by_name() {
        let read = |certificate: &str, key: &str| {
            CertificateCredential::from_pem(certificate, &key.into()).err()
        };
        assert_eq!(read(CERTIFICATE, OTHER_KEY), Some(CredentialError::Mismatch));
        assert_eq!(read(KEY, KEY), Some(CredentialError::Certificate));
        assert_eq!(read("", KEY), Some(CredentialError::Certificate));
        assert_eq!(read(CERTIFICATE, CERTIFICATE), Some(CredentialError::PrivateKey));
        assert_eq!(read(CERTIFICATE, "hunter2"), Some(CredentialError::PrivateKey));
    }

    #[test]
    fn the_expiry_comes_from_the_certificate() {
        assert!(credential().not_after() > Timestamp::from_second(1_800_000_000).unwrap());
    }
}
