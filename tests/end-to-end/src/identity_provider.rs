//! The identity provider of an application, whose tokens name users.

use axum::Router;
use axum::routing::get;
use emulators::entra::TestCertificate;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::Caller;

/// The audience of its tokens.
const AUDIENCE: &str = "ado-connect";
/// The year 2100.
pub const LATER: u64 = 4_102_444_800;

/// An identity provider with one key for signatures, and another with the same id for encryption.
pub struct IdentityProvider {
    /// Its `iss`.
    pub issuer: String,
    key: EncodingKey,
}

impl IdentityProvider {
    /// Starts one.
    pub async fn start() -> Self {
        let certificate = TestCertificate::generate().unwrap();
        let key = EncodingKey::from_rsa_pem(certificate.private_key_pem.as_bytes()).unwrap();
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        jwk.common.key_id = Some("k1".to_owned());
        let other = TestCertificate::generate().unwrap();
        let other = EncodingKey::from_rsa_pem(other.private_key_pem.as_bytes()).unwrap();
        let mut encryption = Jwk::from_encoding_key(&other, Algorithm::RS256).unwrap();
        encryption.common.key_id = Some("k1".to_owned());
        encryption.common.key_algorithm = Some(KeyAlgorithm::RSA_OAEP);
        let keys = json!({"keys": [jwk, encryption]}).to_string();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string();
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(move || std::future::ready(document)))
            .route("/keys", get(move || std::future::ready(keys)));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { issuer, key }
    }

    /// Returns the variables of a service whose callers have its tokens.
    pub fn variables(&self) -> [(&'static str, &str); 2] {
        [("JWT_ISSUER", &self.issuer), ("JWT_AUDIENCE", AUDIENCE)]
    }

    /// Returns a user with a token.
    pub fn user(&self, name: &str) -> Caller {
        self.token(&json!({"sub": name}))
    }

    /// Returns ada with a token whose claims have these changes; a `null` removes one.
    pub fn token(&self, changes: &Value) -> Caller {
        self.token_under(Some("k1"), changes)
    }

    /// Returns ada with a token whose header names this key, or none.
    pub fn token_under(&self, kid: Option<&str>, changes: &Value) -> Caller {
        let mut claims = json!({"iss": self.issuer, "aud": AUDIENCE, "sub": "ada", "exp": LATER});
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::RS256) };
        Caller::Bearer(jsonwebtoken::encode(&header, &claims, &self.key).unwrap())
    }
}
