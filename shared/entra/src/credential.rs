//! The app's credential for Entra: a client secret, or an assertion signed with a certificate's key (RFC 7523;
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

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
    /// There is no X.509 certificate in PEM.
    #[error("certificate_pem has no X.509 certificate in PEM")]
    Certificate,
    /// There is no RSA key in PEM.
    #[error("private_key_pem has no RSA private key in PEM (PKCS #8 or PKCS #1, not encrypted)")]
    PrivateKey,
    /// The key is shorter than 2048 bits.
    #[error("the RSA key has fewer than 2048 bits")]
    WeakKey,
    /// The key belongs to none of the certificates.
    #[error("private_key_pem is not the private key of a certificate in certificate_pem")]
    Mismatch,
    /// The key failed to sign.
    #[error("the assertion could not be signed")]
    Signing,
}

impl CertificateCredential {
    /// Finds and checks a certificate and its key. Both texts may hold more: the other certificates of a chain, other
    /// keys, or the attributes that tools write before a block. They may be the same text.
    ///
    /// # Errors
    /// [`CredentialError`] if either is unusable, or no certificate belongs to the key.
    pub fn from_pem(
        certificates: &str,
        private_key: &SecretString,
    ) -> Result<Self, CredentialError> {
        let certificates = blocks(certificates, CERTIFICATE_LABELS);
        let certificates: Vec<_> = certificates
            .iter()
            .filter_map(|block| {
                let (rest, certificate) = X509Certificate::from_der(&block.der).ok()?;
                // OpenSSL's `TRUSTED CERTIFICATE` has settings of its own behind the certificate.
                Some((&block.der[..block.der.len() - rest.len()], certificate))
            })
            .collect();
        if certificates.is_empty() {
            return Err(CredentialError::Certificate);
        }
        let keys = blocks(private_key.expose_secret(), KEY_LABELS);
        let keys: Vec<_> =
            keys.iter().filter_map(|block| Some((block, key_pair(block)?))).collect();
        if keys.is_empty() {
            return Err(CredentialError::PrivateKey);
        }
        let fitting = keys.iter().flat_map(|key| certificates.iter().map(move |one| (key, one)));
        let fitting = fitting.filter(|((_, pair), (_, certificate))| {
            *certificate.public_key().subject_public_key.data == *pair.public_key().as_ref()
        });
        // A certificate can be renewed for the same key.
        let newest = fitting.max_by_key(|(_, (_, one))| one.validity().not_after.timestamp());
        let ((block, pair), (der, certificate)) = newest.ok_or(CredentialError::Mismatch)?;
        if pair.public_modulus_len() < 256 {
            return Err(CredentialError::WeakKey);
        }
        let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .map_err(|_| CredentialError::Certificate)?;
        Ok(Self {
            thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, der)),
            not_after,
            key: block.signing_key()?,
        })
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

const CERTIFICATE_LABELS: &[&str] = &["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];
const PKCS8: &str = "PRIVATE KEY";
const PKCS1: &str = "RSA PRIVATE KEY";
const KEY_LABELS: &[&str] = &[PKCS8, PKCS1];

/// One block of a PEM text (RFC 7468). Wiped, because it may be a key.
struct Block {
    label: &'static str,
    der: Zeroizing<Vec<u8>>,
}

impl Block {
    fn signing_key(&self) -> Result<EncodingKey, CredentialError> {
        let pem = pem::encode(&pem::Pem::new(self.label, self.der.to_vec()));
        EncodingKey::from_rsa_pem(Zeroizing::new(pem).as_bytes())
            .map_err(|_| CredentialError::PrivateKey)
    }
}

/// Returns the blocks with these labels. Text around them counts for nothing, as do white space and headers in them;
/// unreadable blocks are left out.
fn blocks(text: &str, labels: &[&'static str]) -> Vec<Block> {
    let parts = text.split("-----BEGIN ").skip(1);
    let read = |part: &str| {
        let (label, rest) = part.split_once("-----")?;
        let (body, _) = rest.split_once("-----END ")?;
        let label = labels.iter().find(|known| **known == label)?;
        // A newline may have been escaped once too often on its way here.
        let body = Zeroizing::new(body.replace("\\r", "").replace("\\n", "\n"));
        let lines = body.lines().filter(|line| !line.contains(':'));
        let visible = |character: &char| !character.is_whitespace() && *character != '\u{feff}';
        let base64: Zeroizing<String> =
            Zeroizing::new(lines.flat_map(str::chars).filter(visible).collect());
        Some(Block { label, der: Zeroizing::new(STANDARD.decode(base64.as_bytes()).ok()?) })
    };
    parts.filter_map(read).collect()
}

fn key_pair(block: &Block) -> Option<rsa::KeyPair> {
    match block.label {
        PKCS8 => rsa::KeyPair::from_pkcs8(&block.der).ok(),
        _ => rsa::KeyPair::from_der(&block.der).ok(),
    }
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
        let pair = key_pair(&blocks(KEY, KEY_LABELS)[0]).unwrap();
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

    const OTHER_CERTIFICATE: &str = include_str!("credential/other_certificate.pem");
    const PKCS1_KEY: &str = include_str!("credential/private_key.pkcs1.pem");
    const EC_KEY: &str = include_str!("credential/ec_private_key.pem");
    const ATTRIBUTES: &str =
        "Bag Attributes\n    localKeyID: 01 00 00 00\nsubject=CN = x\nissuer=CN = x\n";

    #[test]
    fn the_thumbprint_is_of_the_certificate_alone() {
        let plain = pem::parse(CERTIFICATE).unwrap();
        let with_settings = [plain.contents(), &[0x30, 0x00]].concat();
        let trusted = pem::encode(&pem::Pem::new("TRUSTED CERTIFICATE", with_settings));
        let read = CertificateCredential::from_pem(&trusted, &KEY.into()).unwrap();
        assert_eq!(read.thumbprint, credential().thumbprint);
    }

    #[test]
    fn the_certificate_that_fits_the_key_is_found_in_any_file() {
        let blocks = [OTHER_CERTIFICATE, EC_KEY, OTHER_KEY, KEY, CERTIFICATE];
        let reversed: Vec<_> = blocks.iter().rev().copied().collect();
        let joined = |text: &str, by: &str| text.lines().collect::<Vec<_>>().join(by);
        for (name, file) in [
            ("as the Azure CLI writes it", format!("{KEY}{CERTIFICATE}")),
            ("the certificate first", format!("{CERTIFICATE}{KEY}")),
            ("an intermediate certificate first", format!("{OTHER_CERTIFICATE}{CERTIFICATE}{KEY}")),
            ("PKCS #1", format!("{PKCS1_KEY}{CERTIFICATE}")),
            ("keys of other kinds and of others", blocks[..].join("").replace(OTHER_KEY, "")),
            ("in reverse", reversed.concat().replace(OTHER_KEY, "")),
            (
                "attributes",
                format!(
                    "{ATTRIBUTES}{KEY}{ATTRIBUTES}{OTHER_CERTIFICATE}{ATTRIBUTES}{CERTIFICATE}"
                ),
            ),
            ("a byte order mark", format!("\u{feff}{KEY}\u{feff}{CERTIFICATE}")),
            ("CRLF", format!("{ATTRIBUTES}{KEY}{CERTIFICATE}").replace('\n', "\r\n")),
            ("blank lines", format!("\n\n{KEY}{CERTIFICATE}").replace('\n', "\n\n")),
            ("indented", joined(&format!("{KEY}{CERTIFICATE}"), "\n    ")),
            ("on one line", joined(&format!("{KEY}{CERTIFICATE}"), " ")),
            ("newlines escaped twice", format!("{KEY}{CERTIFICATE}").replace('\n', "\\n")),
            ("a broken block before", format!("-----BEGIN CERTIFICATE-----\n{KEY}{CERTIFICATE}")),
        ] {
            let read = CertificateCredential::from_pem(&file, &file.clone().into());
            let read = read.map_err(|error| format!("{name}: {error}")).unwrap();
            assert_eq!(read.thumbprint, credential().thumbprint, "{name}");
            assert!(CertificateCredential::from_pem(CERTIFICATE, &file.into()).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_key_without_a_certificate_of_its_own_is_refused_by_name() {
        let read = |certificate: &str, key: &str| {
            CertificateCredential::from_pem(certificate, &key.into()).err().unwrap()
        };
        let mismatch = read(&format!("{OTHER_CERTIFICATE}{OTHER_CERTIFICATE}"), KEY);
        assert_eq!(mismatch, CredentialError::Mismatch);
        let (message, fields) = (mismatch.to_string(), ["private_key_pem", "certificate_pem"]);
        assert!(fields.iter().all(|field| message.contains(field)), "{message}");
        assert_eq!(read(CERTIFICATE, EC_KEY), CredentialError::PrivateKey);
        let encrypted = KEY.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE");
        assert_eq!(read(CERTIFICATE, &encrypted), CredentialError::PrivateKey);
        let cut = CERTIFICATE.split_at(300).0;
        assert_eq!(read(cut, KEY), CredentialError::Certificate);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*", at in 0_usize..2000) {
            let _ = CertificateCredential::from_pem(&text, &text.clone().into());
            let file = format!("{KEY}{CERTIFICATE}");
            let (start, end) = file.split_at(at.min(file.len()));
            let file = format!("{start}{text}{end}");
            let _ = CertificateCredential::from_pem(&file, &file.clone().into());
        }
    }

    #[test]
    fn the_expiry_comes_from_the_certificate() {
        assert!(credential().not_after() > Timestamp::from_second(1_800_000_000).unwrap());
    }
}
