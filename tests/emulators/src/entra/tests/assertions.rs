//! Client assertions: certificates and federated credentials.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use super::*;
use crate::entra::certificates::{Certificate, unwrap_pem};

/// An edit of an assertion's claims.
type Change = fn(&mut Value);

struct Signer {
    key: EncodingKey,
    thumbprint: String,
}

impl Signer {
    fn new(certificate: &TestCertificate) -> Self {
        let pkcs8 = unwrap_pem(&certificate.private_key_pem, "PRIVATE KEY").unwrap();
        // `jsonwebtoken` needs PKCS#1: the octet string at the end of the PKCS#8 structure.
        let start = pkcs8.windows(2).skip(20).position(|bytes| bytes == [0x30, 0x82]).unwrap() + 20;
        Self {
            key: EncodingKey::from_rsa_der(&pkcs8[start..]),
            thumbprint: Certificate::from_pem(&certificate.certificate_pem).unwrap().sha256,
        }
    }

    fn sign(&self, algorithm: Algorithm, claims: &Value) -> String {
        let header = Header { x5t_s256: Some(self.thumbprint.clone()), ..Header::new(algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }
}

fn claims(entra: &Entra, change: Change) -> Value {
    let now = entra.now().as_second();
    let mut claims = json!({
        "aud": format!("{}/organizations/oauth2/v2.0/token", entra.base_url()),
        "iss": DEFAULT_CLIENT_ID,
        "sub": DEFAULT_CLIENT_ID,
        "jti": Uuid::new_v4(),
        "nbf": now,
        "exp": now + 600,
    });
    change(&mut claims);
    claims
}

async fn present(entra: &Entra, refresh_token: &str, assertion: &str) -> (u16, Value) {
    let fields = [
        ("client_secret", ""),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    refresh(entra, "organizations", refresh_token, &fields).await
}

#[tokio::test]
async fn assertions_signed_by_a_registered_certificate_are_accepted() {
    let entra = start().await;
    let body = sign_in(&entra, "organizations", "ada").await;
    let refresh_token = text(&body, "refresh_token");
    let certificate = TestCertificate::generate().unwrap();
    let signer = Signer::new(&certificate);
    let assertion = signer.sign(Algorithm::PS256, &claims(&entra, |_| {}));
    let (status, refused) = present(&entra, refresh_token, &assertion).await;
    assert_eq!((status, codes(&refused)), (401, vec![700_027]));
    entra.add_certificate(DEFAULT_CLIENT_ID, &certificate.certificate_pem).unwrap();
    for algorithm in [Algorithm::PS256, Algorithm::RS256] {
        let assertion = signer.sign(algorithm, &claims(&entra, |_| {}));
        let (status, body) = present(&entra, refresh_token, &assertion).await;
        assert_eq!(status, 200, "{body}");
        let (status, body) = present(&entra, refresh_token, &assertion).await;
        assert_eq!((status, codes(&body)), (401, vec![700_027]), "a replay");
    }
    let wrong: [(u64, Change); 4] = [
        (50027, |claims| claims["aud"] = "https://elsewhere.example".into()),
        (700_021, |claims| claims["sub"] = "somebody".into()),
        (700_024, |claims| claims["exp"] = (claims["nbf"].as_i64().unwrap() - 1000).into()),
        (700_024, |claims| claims["exp"] = (claims["nbf"].as_i64().unwrap() + 3600).into()),
    ];
    for (code, change) in wrong {
        let assertion = signer.sign(Algorithm::PS256, &claims(&entra, change));
        let (status, body) = present(&entra, refresh_token, &assertion).await;
        assert_eq!((status, codes(&body)), (401, vec![code]));
    }
    let other = Signer::new(&TestCertificate::generate().unwrap());
    let forged = Signer { key: other.key, thumbprint: signer.thumbprint.clone() };
    let assertion = forged.sign(Algorithm::PS256, &claims(&entra, |_| {}));
    assert_eq!(present(&entra, refresh_token, &assertion).await.0, 401);
    assert_eq!(present(&entra, refresh_token, "not.a.jwt").await.0, 401);
    assert!(entra.add_certificate(DEFAULT_CLIENT_ID, "nonsense").is_err());
}

#[tokio::test]
async fn federated_credentials_match_issuer_subject_and_audience() {
    use base64::Engine as _;
    let entra = start().await;
    let body = sign_in(&entra, "organizations", "ada").await;
    let refresh_token = text(&body, "refresh_token");
    let certificate = TestCertificate::generate().unwrap();
    let signer = Signer::new(&certificate);
    let public_key = Certificate::from_pem(&certificate.certificate_pem).unwrap().public_key;
    let encoded = base64::engine::general_purpose::STANDARD.encode(public_key);
    entra
        .change_app(DEFAULT_CLIENT_ID, |app| {
            app.federated_credentials.push(FederatedCredential {
                issuer: "https://issuer.example".into(),
                subject: "arn:aws:iam::123456789012:role/ado-connect".into(),
                audience: "api://AzureADTokenExchange".into(),
                public_key_pem: format!(
                    "-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n"
                ),
            });
        })
        .unwrap();
    let foreign = |change: Change| {
        let mut token = json!({
            "iss": "https://issuer.example",
            "sub": "arn:aws:iam::123456789012:role/ado-connect",
            "aud": "api://AzureADTokenExchange",
            "exp": entra.now().as_second() + 300,
        });
        change(&mut token);
        signer.sign(Algorithm::RS256, &token)
    };
    assert_eq!(present(&entra, refresh_token, &foreign(|_| {})).await.0, 200);
    let wrong: [(u64, Change); 3] = [
        (700_211, |token| token["iss"] = "https://other.example".into()),
        (700_213, |token| token["sub"] = "arn:aws:iam::123456789012:role/other".into()),
        (700_212, |token| token["aud"] = "api://other".into()),
    ];
    for (code, change) in wrong {
        let (status, body) = present(&entra, refresh_token, &foreign(change)).await;
        assert_eq!((status, codes(&body)), (401, vec![code]));
    }
}
