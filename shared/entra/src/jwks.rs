//! Signing keys (RFC 7517), cached per `jwks_uri`.
//!
//! An unknown `kid`, or a signature of none of the known keys, causes at most one fetch of the keys every five minutes:
//! keys roll over without notice, and invented tokens must not become requests.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use ground::clock::Clock;
use ground::fetch::{self, FetchError};
use ground::transport::Transport;

/// The most keys that verifiers try for one token.
pub const MOST_KEYS_TRIED: usize = 5;
/// Keys are fetched again after this time.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Keys are used for this long while they cannot be fetched.
const USABLE_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The pause between fetches because of an unknown key or a failure.
const LOOK_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// The same pause while there are no keys at all, so that one slow answer does not stop every sign-in of a process.
const LOOK_AGAIN_WITHOUT_KEYS: SignedDuration = SignedDuration::from_secs(5);
/// Entra publishes some ten keys; Microsoft advises to be ready for a thousand.
const MOST_KEYS: usize = 1000;
/// The most addresses remembered; after that all are dropped.
const MOST_ADDRESSES: usize = 1000;
/// RFC 7518 section 3.3: RSA keys have at least 2048 bits.
const RSA_MODULUS_BYTES: usize = 256;

/// A signing key as published.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// The key.
    pub jwk: Jwk,
    /// The only issuer for which the key may sign, possibly with `{tenantid}` (Entra's extension).
    pub issuer: Option<String>,
}

impl SigningKey {
    /// Returns whether the key is intended for signatures by this algorithm, and long enough.
    pub fn suits(&self, algorithm: Algorithm) -> bool {
        let common = &self.jwk.common;
        let (named, kind_fits) = match (&self.jwk.algorithm, algorithm) {
            (AlgorithmParameters::RSA(rsa), Algorithm::RS256) => {
                // Base64 of 256 bytes; leading zeros are not allowed in it (RFC 7518 section 6.3.1.1).
                (KeyAlgorithm::RS256, rsa.n.len() * 3 / 4 >= RSA_MODULUS_BYTES)
            }
            (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => {
                (KeyAlgorithm::ES256, curve.curve == EllipticCurve::P256)
            }
            _ => return false,
        };
        let verifies =
            |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
        kind_fits
            && matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
            && common.key_operations.as_ref().is_none_or(verifies)
            && common.key_algorithm.as_ref().is_none_or(|algorithm| *algorithm == named)
    }

    fn is_named(&self, kid: &str) -> bool {
        self.jwk.common.key_id.as_deref() == Some(kid)
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Default)]
struct Slot {
    keys: Vec<SigningKey>,
    read_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
}

impl Slot {
    /// Several keys may have one id, for example one for signatures and one for encryption, and a key need not have one
    /// (RFC 7517 section 4.5). So keys without an id come after those with this one. Without a `kid`, all keys are
    /// returned. The caller chooses by algorithm.
    fn of(&self, kid: Option<&str>) -> Vec<SigningKey> {
        let Some(kid) = kid else { return self.keys.clone() };
        let named = self.keys.iter().filter(|key| key.is_named(kid));
        let nameless = self.keys.iter().filter(|key| key.jwk.common.key_id.is_none());
        named.chain(nameless).cloned().collect()
    }

    fn has(&self, kid: Option<&str>) -> bool {
        self.keys.iter().any(|key| kid.is_none_or(|kid| key.is_named(kid)))
    }

    fn was_read_within(&self, time: SignedDuration, now: Timestamp) -> bool {
        self.read_at.is_some_and(|at| now.duration_since(at).abs() < time)
    }
}

/// The keys of any number of issuers.
#[derive(Clone)]
pub struct KeyCache {
    transport: Transport,
    clock: Arc<dyn Clock>,
    slots: Arc<Mutex<HashMap<Url, Arc<Mutex<Slot>>>>>,
}

impl KeyCache {
    /// Returns an empty cache.
    pub fn new(transport: impl Into<Transport>, clock: Arc<dyn Clock>) -> Self {
        Self { transport: transport.into(), clock, slots: Arc::default() }
    }

    /// Returns the keys with this `kid` and those without any, or all keys for a token without one: the caller tries those
    /// that suit. Empty if the issuer does not publish any.
    ///
    /// # Errors
    /// [`FetchError`] if the keys cannot be fetched and were not in the last 24 hours.
    pub async fn keys(
        &self,
        jwks_uri: &Url,
        kid: Option<&str>,
    ) -> Result<Vec<SigningKey>, FetchError> {
        let slot = self.slot(jwks_uri).await;
        // Held while fetching: concurrent callers of one issuer share one request.
        let mut slot = slot.lock().await;
        let now = self.clock.now();
        if slot.was_read_within(FRESH_FOR, now) && slot.has(kid) {
            return Ok(slot.of(kid));
        }
        let looked = self.look(&mut slot, jwks_uri, now).await;
        if slot.was_read_within(USABLE_FOR, now) {
            return Ok(slot.of(kid));
        }
        looked.map(|()| Vec::new())
    }

    /// Returns the keys for a token that none of `tried` verifies, but for those: an issuer whose keys have no `kid`, or
    /// always the same, rolls them over without another sign. Empty if there are none, or they were looked for in the last
    /// five minutes.
    pub async fn newer_keys(
        &self,
        jwks_uri: &Url,
        kid: Option<&str>,
        tried: &[SigningKey],
    ) -> Vec<SigningKey> {
        let is_new = |key: &SigningKey| tried.iter().all(|tried| tried.jwk != key.jwk);
        let slot = self.slot(jwks_uri).await;
        let mut slot = slot.lock().await;
        // Another caller may have fetched them meanwhile.
        if !slot.of(kid).iter().any(is_new) {
            // Without an answer, the known keys stay.
            drop(self.look(&mut slot, jwks_uri, self.clock.now()).await);
        }
        slot.of(kid).into_iter().filter(is_new).collect()
    }

    /// Fetches the keys, unless that was done a short time ago.
    async fn look(
        &self,
        slot: &mut Slot,
        jwks_uri: &Url,
        now: Timestamp,
    ) -> Result<(), FetchError> {
        let is_usable = slot.was_read_within(USABLE_FOR, now);
        let pause = if is_usable { LOOK_AGAIN_AFTER } else { LOOK_AGAIN_WITHOUT_KEYS };
        if slot.looked_at.is_some_and(|at| now.duration_since(at).abs() < pause) {
            return Err(FetchError::NoAnswer);
        }
        let mut looked = self.fetch(jwks_uri).await;
        if looked.is_err() && !is_usable {
            looked = self.fetch(jwks_uri).await;
        }
        slot.looked_at = Some(now);
        slot.keys = looked?;
        slot.read_at = Some(now);
        Ok(())
    }

    async fn slot(&self, jwks_uri: &Url) -> Arc<Mutex<Slot>> {
        let mut slots = self.slots.lock().await;
        if slots.len() >= MOST_ADDRESSES && !slots.contains_key(jwks_uri) {
            slots.clear();
        }
        Arc::clone(slots.entry(jwks_uri.clone()).or_default())
    }

    async fn fetch(&self, jwks_uri: &Url) -> Result<Vec<SigningKey>, FetchError> {
        let document: Document = fetch::json(&self.transport, jwks_uri.as_str()).await?;
        let keys = document.keys.into_iter().take(MOST_KEYS).filter_map(|value| {
            let issuer = value.get("issuer").and_then(Value::as_str).map(str::to_owned);
            // A key of an unknown kind must not spoil the others.
            Some(SigningKey { jwk: serde_json::from_value(value).ok()?, issuer })
        });
        Ok(keys.collect())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ground::clock::SystemClock;
    use serde_json::json;

    use super::*;

    fn key(jwk: Value) -> SigningKey {
        SigningKey { jwk: serde_json::from_value(jwk).unwrap(), issuer: None }
    }

    fn rsa(bytes: usize) -> Value {
        json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(vec![255; bytes]), "e": "AQAB"})
    }

    fn curve(name: &str) -> Value {
        json!({"kty": "EC", "crv": name, "x": "AA", "y": "AA"})
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    #[test]
    fn a_key_suits_the_algorithm_of_its_kind_if_it_is_long_enough() {
        for (jwk, rs256, es256) in [
            (rsa(256), true, false),
            (rsa(512), true, false),
            (rsa(255), false, false),
            (curve("P-256"), false, true),
            (curve("P-384"), false, false),
            (json!({"kty": "oct", "k": "AA"}), false, false),
        ] {
            let key = key(jwk.clone());
            assert_eq!(key.suits(Algorithm::RS256), rs256, "{jwk}");
            assert_eq!(key.suits(Algorithm::ES256), es256, "{jwk}");
        }
    }

    #[test]
    fn a_key_suits_only_for_the_purpose_that_it_names() {
        for (name, value, expected) in [
            ("use", json!("sig"), true),
            ("use", json!("enc"), false),
            ("key_ops", json!(["sign", "verify"]), true),
            ("key_ops", json!(["encrypt"]), false),
            ("alg", json!("RS256"), true),
            ("alg", json!("RS512"), false),
            ("alg", json!("ES256"), false),
        ] {
            let jwk = with(rsa(256), name, value);
            assert_eq!(key(jwk.clone()).suits(Algorithm::RS256), expected, "{jwk}");
        }
        assert!(key(with(curve("P-256"), "alg", json!("ES256"))).suits(Algorithm::ES256));
    }

    #[tokio::test]
    async fn the_addresses_of_a_process_do_not_fill_its_memory() {
        let cache = KeyCache::new(ground::http::client().unwrap(), Arc::new(SystemClock));
        for number in 0..=MOST_ADDRESSES {
            let address = format!("https://login.mycompany.example/{number}/keys");
            cache.slot(&address.parse().unwrap()).await;
        }
        assert!(cache.slots.lock().await.len() <= MOST_ADDRESSES);
    }
}
