//! A second opinion on certificates and keys in PEM: an accepted credential signs with a key that was given, and no refusal
//! quotes one.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra::credential::CertificateCredential;
use entra::identifiers::ClientId;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::edit::edited_text;
use crate::provider::{self, NOW, OTHER_PRIVATE_KEY, OTHER_RSA, PRIVATE_KEY, RSA};

/// Stand for blocks in an input, so that no corpus has keys.
const BLOCKS: [(&str, &str); 6] = [
    ("{certificate}", CERTIFICATE),
    ("{other certificate}", OTHER_CERTIFICATE),
    ("{key}", PRIVATE_KEY),
    ("{other key}", OTHER_PRIVATE_KEY),
    ("{pkcs1}", include_str!("../../../shared/entra/src/credential/private_key.pkcs1.pem")),
    ("{ec}", include_str!("../../../shared/entra/src/credential/ec_private_key.pem")),
];
const CERTIFICATE: &str = include_str!("../../../shared/entra/src/credential/certificate.pem");
const OTHER_CERTIFICATE: &str =
    include_str!("../../../shared/entra/src/credential/other_certificate.pem");
const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
const ENDPOINT: &str = "https://login.microsoftonline.com/organizations/oauth2/v2.0/token";
/// Characters of a key that would be recognised in a message.
const RECOGNISABLE: usize = 24;

/// The keys that a credential can sign with, with the thumbprints of their certificates.
static SIGNERS: LazyLock<[(DecodingKey, String); 2]> = LazyLock::new(|| {
    [(&RSA, CERTIFICATE), (&OTHER_RSA, OTHER_CERTIFICATE)].map(|(key, certificate)| {
        let jwk = provider::jwk(key, Algorithm::RS256, "key");
        let decoding = DecodingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
        let der = pem::parse(certificate).unwrap();
        (decoding, URL_SAFE_NO_PAD.encode(digest(&SHA256, der.contents())))
    })
});

/// Judges `certificates SEPARATOR key SEPARATOR edit SEPARATOR edit of the key`. Returns whether they are a credential.
pub fn judge(input: &[u8]) -> bool {
    let Some([certificates, key, edit, edit_of_key]) = crate::parts(input) else { return false };
    let certificates = edited_text(&filled(certificates), edit);
    let key = edited_text(&filled(key), edit_of_key);
    match CertificateCredential::from_pem(&certificates, &SecretString::from(&*key)) {
        Ok(credential) => {
            judge_credential(&credential, &certificates, &key);
            true
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            let lines =
                key.lines().filter(|line| line.len() >= RECOGNISABLE && !line.contains("--"));
            for line in lines.filter(|line| line.bytes().all(|byte| byte.is_ascii_graphic())) {
                assert!(!shown.contains(line), "{shown} quotes the key");
            }
            false
        }
    }
}

fn filled(text: &str) -> String {
    BLOCKS.iter().fold(text.to_owned(), |text, (name, block)| text.replace(name, block))
}

/// Asserts that the assertion is signed by a key that was given, for one minute to ten, and names a certificate that was
/// given.
fn judge_credential(credential: &CertificateCredential, certificates: &str, key: &str) {
    let client_id: ClientId = CLIENT.parse().unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    let assertion = credential.assertion(&client_id, ENDPOINT, now).unwrap();
    let mut validation = Validation::new(Algorithm::PS256);
    validation.set_audience(&[ENDPOINT]);
    validation.validate_exp = false;
    let mut verified = SIGNERS.iter().filter_map(|(decoding, thumbprint)| {
        let token = jsonwebtoken::decode::<Value>(assertion.expose_secret(), decoding, &validation);
        token.ok().map(|token| (token, thumbprint))
    });
    let (token, thumbprint) = verified.next().expect("a key that was not given signs");
    assert_eq!(
        (&token.claims["iss"], &token.claims["sub"]),
        (&Value::from(CLIENT), &Value::from(CLIENT))
    );
    let lifetime = token.claims["exp"].as_i64().unwrap() - NOW;
    assert!((60..=600).contains(&lifetime), "{lifetime} seconds");
    assert!(!key.is_empty());
    // The certificate of the text, if it is there as it was issued; another one may have been made of it by the edit.
    let issued = [CERTIFICATE, OTHER_CERTIFICATE].map(|pem| certificates.matches(pem).count());
    let begun = certificates.matches("-----BEGIN ").count();
    if issued.iter().sum::<usize>() == begun {
        assert_eq!(token.header.x5t_s256.as_ref(), Some(thumbprint));
    }
}
