//! A loopback identity provider, forged tokens of every kind, and loopback AWS services.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{digest, hmac};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A private key that signs tokens.
#[derive(Clone)]
pub enum Key {
    Rsa(Arc<RsaKeyPair>),
    Ec(Arc<EcdsaKeyPair>),
}

static RSA: LazyLock<Key> = LazyLock::new(new_rsa_key);
static EC: LazyLock<Key> = LazyLock::new(|| {
    Key::Ec(Arc::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()))
});

pub fn rsa_key() -> Key {
    RSA.clone()
}

pub fn ec_key() -> Key {
    EC.clone()
}

pub fn new_rsa_key() -> Key {
    Key::Rsa(Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

/// A token signed by the key, whatever its header says.
pub fn token(header: &Value, claims: &Value, key: &Key) -> String {
    let input = signing_input(header, claims);
    let rng = SystemRandom::new();
    let signature = match key {
        Key::Rsa(key) => {
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &rng, input.as_bytes(), &mut signature).unwrap();
            signature
        }
        Key::Ec(key) => key.sign(&rng, input.as_bytes()).unwrap().as_ref().to_vec(),
    };
    format!("{input}.{}", encode(signature))
}

pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", signing_input(header, claims))
}

pub fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let input = signing_input(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", encode(tag))
}

/// The published half, as an attacker would use it for an HMAC.
pub fn rsa_public_bytes(key: &Key) -> Vec<u8> {
    match key {
        Key::Rsa(key) => key.public_key().as_ref().to_vec(),
        Key::Ec(_) => unreachable!("an RSA key"),
    }
}

pub fn rsa_jwk(key: &Key, kid: &str) -> Value {
    let Key::Rsa(key) = key else { unreachable!("an RSA key") };
    let public = key.public_key();
    json!({
        "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256",
        "n": encode(public.modulus().big_endian_without_leading_zero()),
        "e": encode(public.exponent().big_endian_without_leading_zero()),
    })
}

pub fn ec_jwk(kid: &str) -> Value {
    let Key::Ec(key) = ec_key() else { unreachable!("an EC key") };
    let point = key.public_key().as_ref().to_vec();
    let (x, y) = point[1..].split_at(32);
    json!({"kty": "EC", "kid": kid, "use": "sig", "crv": "P-256", "x": encode(x), "y": encode(y)})
}

/// An identity provider on a loopback port.
pub struct Provider {
    pub issuer: String,
    state: Arc<Mutex<ProviderState>>,
}

#[derive(Default)]
struct ProviderState {
    down: bool,
    asked: HashMap<String, usize>,
    documents: HashMap<&'static str, Value>,
}

impl Provider {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(ProviderState::default()));
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&state));
        let issuer = serve(app).await;
        let mut encryption = rsa_jwk(&rsa_key(), "rsa-enc");
        encryption["use"] = json!("enc");
        let keys = json!({"keys": [rsa_jwk(&rsa_key(), "rsa-1"), ec_jwk("ec-1"), encryption]});
        state.lock().unwrap().documents.insert("/keys", keys);
        let provider = Self { issuer, state };
        provider.set_document(
            json!({"issuer": provider.issuer, "jwks_uri": format!("{}/keys", provider.issuer)}),
        );
        provider
    }

    pub fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    pub fn set_document(&self, document: Value) {
        let mut state = self.state.lock().unwrap();
        state.documents.insert("/.well-known/openid-configuration", document);
    }

    pub fn set_keys(&self, keys: &[Value]) {
        self.state.lock().unwrap().documents.insert("/keys", json!({"keys": keys}));
    }

    pub fn asked_of(&self, path: &str) -> usize {
        self.state.lock().unwrap().asked.get(path).copied().unwrap_or(0)
    }
}

async fn answer(State(state): State<Arc<Mutex<ProviderState>>>, uri: Uri) -> Response {
    let mut state = state.lock().unwrap();
    *state.asked.entry(uri.path().to_owned()).or_default() += 1;
    match state.documents.get(uri.path()) {
        _ if state.down => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(document) => axum::Json(document.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn serve(app: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    origin
}

/// `DynamoDB` and Secrets Manager, as far as callers are concerned.
pub struct Services {
    origin: String,
    state: Arc<Mutex<ServicesState>>,
}

#[derive(Default)]
struct ServicesState {
    items: HashMap<String, Value>,
    operator_key: String,
    /// The number of operator keys that were stored.
    operator_keys: u32,
    down: bool,
    /// The keys of the items that were updated.
    updated: Vec<String>,
    /// The partitions of the items that were put.
    put: Vec<String>,
}

pub async fn aws() -> Services {
    let state = Arc::new(Mutex::new(ServicesState::default()));
    let app = axum::Router::new().fallback(call).with_state(Arc::clone(&state));
    Services { origin: serve(app).await, state }
}

impl Services {
    pub fn put_key(&self, id: &str, role: &str, integration: Option<&str>, secret: &str) {
        let hash = encode(digest::digest(&digest::SHA256, secret.as_bytes()));
        let mut item = json!({
            "pk": {"S": format!("api_key#{id}")},
            "id": {"S": id},
            "name": {"S": "a key"},
            "role": {"S": role},
            "secret_hash": {"S": hash},
            "created_at": {"S": "2026-01-01T00:00:00Z"},
        });
        if let Some(integration) = integration {
            item["integration"] = json!({"S": integration});
        }
        self.state.lock().unwrap().items.insert(format!("api_key#{id}"), item);
    }

    pub fn delete_key(&self, id: &str) {
        self.state.lock().unwrap().items.remove(&format!("api_key#{id}"));
    }

    pub fn set_operator_key(&self, key: &str) {
        let mut state = self.state.lock().unwrap();
        state.operator_key = key.to_owned();
        state.operator_keys += 1;
    }

    pub fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// Marks every limit whose item was updated as used up until this time, in seconds since 1970.
    pub fn use_up_limits(&self, until: i64) {
        let mut state = self.state.lock().unwrap();
        for key in std::mem::take(&mut state.updated) {
            let item = json!({"pk": {"S": key}, "full_at": {"N": (until * 1_000_000).to_string()}, "under_way": {"M": {}}});
            state.items.insert(key, item);
        }
    }

    pub fn updated(&self) -> usize {
        self.state.lock().unwrap().updated.len()
    }

    /// Returns the partition of each item that was put in a transaction.
    pub fn put(&self) -> Vec<String> {
        self.state.lock().unwrap().put.clone()
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        use aws_sdk_dynamodb::config::retry::RetryConfig;
        use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(&self.origin);
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        use aws_sdk_secretsmanager::config::retry::RetryConfig;
        use aws_sdk_secretsmanager::config::{BehaviorVersion, Builder, Credentials, Region};
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(&self.origin);
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }
}

async fn call(
    State(state): State<Arc<Mutex<ServicesState>>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    let mut state = state.lock().unwrap();
    if state.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let input: Value = serde_json::from_slice(&body).unwrap();
    let answer = match headers["x-amz-target"].to_str().unwrap() {
        "DynamoDB_20120810.GetItem" => {
            match state.items.get(input["Key"]["pk"]["S"].as_str().unwrap()) {
                Some(item) => json!({"Item": item}),
                None => json!({}),
            }
        }
        "DynamoDB_20120810.UpdateItem" => {
            let key = input["Key"]["pk"]["S"].as_str().unwrap().to_owned();
            state.updated.push(key.clone());
            json!({"Attributes": {"pk": {"S": key}, "full_at": {"N": "0"}, "under_way": {"M": {}}}})
        }
        "DynamoDB_20120810.TransactWriteItems" => {
            let writes = input["TransactItems"].as_array().unwrap();
            let put = |write: &Value| write["Put"]["Item"]["pk"]["S"].as_str().unwrap().to_owned();
            state.put.extend(writes.iter().map(put));
            json!({})
        }
        "secretsmanager.GetSecretValue" => {
            json!({"SecretString": state.operator_key, "VersionId": state.operator_keys.to_string()})
        }
        other => panic!("unexpected call {other}"),
    };
    axum::Json(answer).into_response()
}
