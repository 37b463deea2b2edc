//! Self-signed certificates, and the part of X.509 that is needed to check a client assertion.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A self-signed certificate with its private key, for apps that sign client assertions.
pub struct TestCertificate {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS#8 PEM.
    pub private_key_pem: String,
}

impl TestCertificate {
    /// Generates an RSA 2048 key (in about a tenth of a second) and a certificate for it.
    ///
    /// Returns `None` only if the operating system has no randomness.
    pub fn generate() -> Option<Self> {
        let key = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let pkcs8 = key.as_der().ok()?;
        Some(Self {
            certificate_pem: pem("CERTIFICATE", &self_signed(&key, "emulated client")?),
            private_key_pem: pem("PRIVATE KEY", pkcs8.as_ref()),
        })
    }
}

/// A certificate of an app registration.
#[derive(Clone)]
pub(crate) struct Certificate {
    /// `base64url(SHA-256(DER))`, header `x5t#S256`.
    pub sha256: String,
    /// `base64url(SHA-1(DER))`, header `x5t`.
    pub sha1: String,
    /// `SubjectPublicKeyInfo`, DER.
    pub public_key: Vec<u8>,
}

impl Certificate {
    /// Parses a PEM certificate. Returns `None` if it is invalid.
    pub fn from_pem(text: &str) -> Option<Self> {
        let der = unwrap_pem(text, "CERTIFICATE")?;
        Some(Self {
            sha256: URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)),
            sha1: URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der)),
            public_key: public_key_info(&der)?.to_vec(),
        })
    }
}

/// Returns the body of a PEM block with this label.
pub(crate) fn unwrap_pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}

/// Returns modulus and exponent of a PKCS#1 `RSAPublicKey`, without leading zeros.
pub(crate) fn rsa_components(public_key: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, _) = element(public_key, 0x30)?;
    let (modulus, rest) = element(sequence, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    let plain = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
    Some((plain(modulus), plain(exponent)))
}

/// Issues a certificate for `key`, signed by it, valid from 2020 to 2049.
pub(crate) fn self_signed(key: &KeyPair, common_name: &str) -> Option<Vec<u8>> {
    // sha256WithRSAEncryption, rsaEncryption and commonName (RFC 8017 A.2, RFC 5280 A.1)
    let signature_algorithm = der(
        0x30,
        &[der(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]), der(0x05, &[])]
            .concat(),
    );
    let key_algorithm = der(
        0x30,
        &[der(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]), der(0x05, &[])]
            .concat(),
    );
    let attribute = [der(0x06, &[0x55, 0x04, 0x03]), der(0x0c, common_name.as_bytes())].concat();
    let name = der(0x30, &der(0x31, &der(0x30, &attribute)));
    let validity = der(0x30, &[der(0x17, b"200101000000Z"), der(0x17, b"490101000000Z")].concat());
    let mut bits = vec![0];
    bits.extend_from_slice(key.public_key().as_ref());
    let key_info = der(0x30, &[key_algorithm, der(0x03, &bits)].concat());
    let serial: [u8; 8] = rand::random();
    let serial = [&[0x01], serial.as_slice()].concat();
    let to_be_signed = der(
        0x30,
        &[
            der(0xa0, &der(0x02, &[2])),
            der(0x02, &serial),
            signature_algorithm.clone(),
            name.clone(),
            validity,
            name,
            key_info,
        ]
        .concat(),
    );
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &to_be_signed, &mut signature).ok()?;
    let signature_bits = [&[0], signature.as_slice()].concat();
    Some(der(0x30, &[to_be_signed, signature_algorithm, der(0x03, &signature_bits)].concat()))
}

fn pem(label: &str, content: &[u8]) -> String {
    let encoded = STANDARD.encode(content);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Returns the `SubjectPublicKeyInfo` of a certificate, with its tag and length.
fn public_key_info(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(certificate, 0x30)?;
    let (mut rest, _) = element(certificate, 0x30)?;
    if rest.first() == Some(&0xa0) {
        (_, rest) = element(rest, 0xa0)?;
    }
    // serial number, signature algorithm, issuer, validity, subject
    for tag in [0x02, 0x30, 0x30, 0x30, 0x30] {
        (_, rest) = element(rest, tag)?;
    }
    let (_, after) = element(rest, 0x30)?;
    rest.get(..rest.len() - after.len())
}

/// Returns the content of the DER element at the start of `input`, and the rest of `input`.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = bytes.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
        (length, rest)
    };
    rest.split_at_checked(length)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let length: &[u8] = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    if let short @ 0..0x80 = content.len() {
        out.push(u8::try_from(short).unwrap_or_default());
    } else {
        out.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
        out.extend_from_slice(length);
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_public_key_of_a_generated_certificate_is_found_again() {
        let made = TestCertificate::generate().unwrap();
        let read = Certificate::from_pem(&made.certificate_pem).unwrap();
        let key = KeyPair::from_pkcs8(&unwrap_pem(&made.private_key_pem, "PRIVATE KEY").unwrap())
            .unwrap();
        let (modulus, exponent) = rsa_components(key.public_key().as_ref()).unwrap();
        assert_eq!(modulus.len(), 256);
        assert_eq!(exponent, [1, 0, 1]);
        assert!(read.public_key.windows(256).any(|window| window == modulus));
    }

    #[test]
    fn text_that_is_no_certificate_is_refused() {
        assert!(Certificate::from_pem("nonsense").is_none());
        assert!(Certificate::from_pem(&pem("CERTIFICATE", &[0x30, 0x82, 0xff])).is_none());
    }
}
