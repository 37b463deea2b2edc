//! A second opinion on key sets: the keys that are kept are published, few, and strong enough for their use.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::caller::jwt::JwtVerifier;
use edge::config::JwtConfig;
use entra::jwks::{KeyCache, SigningKey};
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::provider::{self, ISSUER, KEYS, NOW, RSA};
use crate::run;

/// The most keys that are kept.
const MOST_KEYS: usize = 1000;
/// The longest key set that is read, in bytes.
const LONGEST: usize = 150_000;
/// Stands for the modulus of the key that signs.
const OURS: &str = "OURS";

/// Tokens of one key, with its id and without.
static TOKENS: LazyLock<[SecretString; 2]> = LazyLock::new(|| {
    let claims = json!({"iss": ISSUER, "aud": "ado-connect", "sub": "ada", "exp": NOW + 300});
    [json!({"alg": "RS256", "kid": "rsa"}), json!({"alg": "RS256"})].map(|header| {
        provider::signed(&header.to_string(), &claims.to_string(), &RSA, Algorithm::RS256).into()
    })
});

/// Judges `copies SEPARATOR document`: the keys of the document are published so many times. Returns whether there are keys
/// in it.
pub fn judge(input: &[u8]) -> bool {
    let Some([copies, document]) = crate::parts(input) else { return false };
    let ours = provider::jwk(&RSA, Algorithm::RS256, "rsa");
    let document = document.replace(OURS, ours["n"].as_str().unwrap());
    let document = repeated(&document, copies.parse().unwrap_or(1));
    let kept = keys(&document, None);
    // `Value` refuses numbers and texts that a reader may skip.
    if serde_json::from_str::<Value>(&document).is_ok() {
        judge_kept(&kept, &published(&document).unwrap_or_default());
    }
    for kid in kept.iter().take(3).filter_map(|key| key.jwk.common.key_id.clone()) {
        let of_kid = keys(&document, Some(&kid));
        assert!(!of_kid.is_empty(), "{kid:?} is lost");
        let fits = |key: &SigningKey| {
            key.jwk.common.key_id.is_none() || key.jwk.common.key_id.as_ref() == Some(&kid)
        };
        assert!(of_kid.iter().all(fits), "{kid:?} leads to others' keys");
    }
    judge_verified(&document, ours["n"].as_str().unwrap());
    !kept.is_empty()
}

/// Returns the document with its keys so many times, or as it is if it has none.
fn repeated(document: &str, copies: u16) -> String {
    let mut value: Value = match serde_json::from_str(document) {
        Ok(value) => value,
        Err(_) => return document.to_owned(),
    };
    let Some(Value::Array(keys)) = value.get_mut("keys").filter(|_| copies > 1) else {
        return document.to_owned();
    };
    *keys = keys.iter().cycle().take(keys.len() * usize::from(copies.min(2000))).cloned().collect();
    value.to_string()
}

/// Returns the published keys, or `None` if the document is none.
fn published(document: &str) -> Option<Vec<Value>> {
    let value: Value = serde_json::from_str(document).ok()?;
    value.get("keys")?.as_array().cloned().filter(|_| document.len() <= LONGEST)
}

fn keys(document: &str, kid: Option<&str>) -> Vec<SigningKey> {
    let body = document.as_bytes().to_vec();
    let cache = KeyCache::new(provider::transport(move |_| body.clone()), provider::clock());
    run(cache.keys(&KEYS.parse().unwrap(), kid)).unwrap_or_default()
}

/// Asserts that the kept keys are published ones in their order, and that those which suit are strong enough.
fn judge_kept(kept: &[SigningKey], published: &[Value]) {
    assert!(kept.len() <= MOST_KEYS, "{} keys", kept.len());
    let mut rest = published.iter().take(MOST_KEYS);
    for key in kept {
        let same = |value: &&Value| {
            let written = serde_json::to_value(&key.jwk).unwrap();
            let member = |name: &str| value.get(name).filter(|value| !value.is_null());
            ["kid", "kty", "n", "e", "x", "y", "crv", "k"]
                .iter()
                .all(|name| written.get(name).is_none_or(|written| member(name) == Some(written)))
                && key.issuer.as_deref() == member("issuer").and_then(Value::as_str)
        };
        let found = rest.find(same);
        let found = found.unwrap_or_else(|| panic!("{:?} is not published", key.jwk));
        judge_suiting(key, found);
    }
}

fn judge_suiting(key: &SigningKey, published: &Value) {
    let member = |name: &str| published.get(name).filter(|value| !value.is_null());
    let is_or_absent =
        |name: &str, expected: &str| member(name).is_none_or(|value| value == expected);
    for (algorithm, kind, name) in
        [(Algorithm::RS256, "RSA", "RS256"), (Algorithm::ES256, "EC", "ES256")]
    {
        if !key.suits(algorithm) {
            continue;
        }
        assert_eq!(member("kty"), Some(&json!(kind)));
        assert!(is_or_absent("use", "sig") && is_or_absent("alg", name), "{published}");
        let operations = member("key_ops").and_then(Value::as_array);
        let verifies = operations.is_none_or(|operations| operations.contains(&json!("verify")));
        assert!(verifies, "{published}");
        match (algorithm, member("n").and_then(Value::as_str)) {
            (Algorithm::RS256, Some(modulus)) => assert!(modulus.len() * 6 >= 2048, "{published}"),
            _ => assert_eq!(member("crv"), Some(&json!("P-256")), "{published}"),
        }
    }
    for algorithm in [Algorithm::HS256, Algorithm::RS384, Algorithm::PS256, Algorithm::EdDSA] {
        assert!(!key.suits(algorithm), "{published} for {algorithm:?}");
    }
}

/// Asserts that a token verifies only if the key that signed it is published.
fn judge_verified(document: &str, modulus: &str) {
    let config = JwtConfig {
        issuer: ISSUER.to_owned(),
        audience: "ado-connect".to_owned(),
        user_claim: "sub".to_owned(),
    };
    let body = document.as_bytes().to_vec();
    let documents =
        provider::transport(
            move |address| {
                if address == KEYS { body.clone() } else { provider::discovery() }
            },
        );
    let verifier = JwtVerifier::new(config, documents, provider::clock());
    for token in &*TOKENS {
        if run(verifier.verify(token)).is_ok() {
            let number = URL_SAFE_NO_PAD.decode(modulus).unwrap();
            let is_ours = |key: &Value| {
                let published = key.get("n").and_then(Value::as_str);
                published.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()) == Some(number.clone())
            };
            let published = published(document).unwrap_or_default();
            assert!(published.iter().any(is_ours), "{document} verifies a foreign token");
        }
    }
}
