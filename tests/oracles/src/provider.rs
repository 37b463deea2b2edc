//! An identity provider in this process: its documents, and tokens that it signs.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ground::clock::{Clock, StoppedClock};
use ground::transport::{Transport, TransportError};
use http::{Request, Response};
use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// The time of the stopped clock, in seconds.
pub const NOW: i64 = 1_800_000_000;
/// The provider's `iss`.
pub const ISSUER: &str = "https://login.mycompany.example";
/// The address of its keys.
pub const KEYS: &str = "https://login.mycompany.example/keys";

/// Keys of unit tests, of no other use.
pub static RSA: LazyLock<EncodingKey> = LazyLock::new(|| rsa(PRIVATE_KEY));
/// An RSA key that the provider does not publish.
pub static OTHER_RSA: LazyLock<EncodingKey> = LazyLock::new(|| rsa(OTHER_PRIVATE_KEY));
/// A P-256 key, generated for this process.
pub static EC: LazyLock<EncodingKey> = LazyLock::new(|| {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    EncodingKey::from_ec_der(key.to_pkcs8v1().unwrap().as_ref())
});
/// The key of [`RSA`], PEM.
pub const PRIVATE_KEY: &str = include_str!("../../../shared/entra/src/credential/private_key.pem");
/// The key of [`OTHER_RSA`], PEM.
pub const OTHER_PRIVATE_KEY: &str =
    include_str!("../../../shared/entra/src/credential/other_private_key.pem");

fn rsa(pem: &str) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

/// Returns the published half of a key.
pub fn jwk(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    jwk["kid"] = kid.into();
    jwk
}

/// Returns the key set with an RSA key `rsa` and an EC key `ec`.
pub fn key_set() -> Vec<u8> {
    let keys = [jwk(&RSA, Algorithm::RS256, "rsa"), jwk(&EC, Algorithm::ES256, "ec")];
    json!({"keys": keys}).to_string().into_bytes()
}

/// Returns a token with exactly this header and these claims, signed with a key for this algorithm.
pub fn signed(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(input.as_bytes(), key, algorithm).unwrap();
    format!("{input}.{signature}")
}

/// Returns a clock that is stopped at [`NOW`].
pub fn clock() -> Arc<dyn Clock> {
    StoppedClock::at(Timestamp::from_second(NOW).unwrap())
}

/// Returns a transport that answers 200 with the body for the request's address.
pub fn transport(body: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Transport {
    answering(move |request| Response::new(body(&request.uri().to_string())))
}

/// Returns a transport with these answers, of which as many bytes are read as the caller allows.
pub fn answering(
    answer: impl Fn(&Request<Vec<u8>>) -> Response<Vec<u8>> + Send + Sync + 'static,
) -> Transport {
    Transport::new(move |request, largest| {
        let answer = answer(&request);
        let is_too_large = answer.body().len() > largest;
        let read = if is_too_large { Err(TransportError::TooLarge) } else { Ok(answer) };
        Box::pin(std::future::ready(read))
    })
}

/// Returns the provider's discovery document.
pub fn discovery() -> Vec<u8> {
    json!({"issuer": ISSUER, "jwks_uri": KEYS}).to_string().into_bytes()
}
