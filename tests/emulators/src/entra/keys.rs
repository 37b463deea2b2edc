//! The keys that sign ID tokens, their rotation, and the key set document.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::certificates::{rsa_components, self_signed};

/// One signing key.
pub(crate) struct SigningKey {
    /// Key id: the certificate's SHA-1 thumbprint, as at Entra.
    pub kid: String,
    pair: KeyPair,
    jwk: Value,
}

impl SigningKey {
    /// Generates an RSA 2048 key, in about a tenth of a second. Returns `None` only without randomness.
    fn generate() -> Option<Arc<Self>> {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let certificate = self_signed(&pair, "accounts.accesscontrol.emulated")?;
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate));
        let (modulus, exponent) = rsa_components(pair.public_key().as_ref())?;
        let jwk = json!({
            "kty": "RSA",
            "use": "sig",
            "kid": kid,
            "x5t": kid,
            "n": URL_SAFE_NO_PAD.encode(modulus),
            "e": URL_SAFE_NO_PAD.encode(exponent),
            "x5c": [STANDARD.encode(&certificate)],
        });
        Some(Arc::new(Self { kid, pair, jwk }))
    }

    /// Returns the RS256 signature of `message` in base64url.
    pub fn sign(&self, message: &str) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message.as_bytes(),
            &mut signature,
        );
        if signed.is_err() {
            tracing::error!("an ID token could not be signed");
        }
        URL_SAFE_NO_PAD.encode(signature)
    }
}

/// Returns the first key of all emulators in a process, so that it is generated once.
fn first() -> Option<Arc<SigningKey>> {
    static FIRST: OnceLock<Option<Arc<SigningKey>>> = OnceLock::new();
    FIRST.get_or_init(SigningKey::generate).clone()
}

/// Returns a key that is in no key set.
pub(crate) fn foreign() -> Option<Arc<SigningKey>> {
    static FOREIGN: OnceLock<Option<Arc<SigningKey>>> = OnceLock::new();
    FOREIGN.get_or_init(SigningKey::generate).clone()
}

/// Returns the key of an app that has one of its own. It is in the key set that is asked for with `appid`.
pub(crate) fn of_app() -> Option<Arc<SigningKey>> {
    static OF_APP: OnceLock<Option<Arc<SigningKey>>> = OnceLock::new();
    OF_APP.get_or_init(SigningKey::generate).clone()
}

/// Generates the process's first key ahead of its first use.
pub(crate) fn warm_up() {
    let _generated = first();
}

/// The keys in force, newest last; the newest signs.
#[derive(Default)]
pub(crate) struct SigningKeys {
    later: Vec<Arc<SigningKey>>,
    first_retired: bool,
}

impl SigningKeys {
    fn all(&self) -> Vec<Arc<SigningKey>> {
        let first = (!self.first_retired).then(first).flatten();
        first.into_iter().chain(self.later.iter().cloned()).collect()
    }

    /// Returns the current signing key.
    pub fn current(&self) -> Option<Arc<SigningKey>> {
        self.later.last().cloned().or_else(first)
    }

    /// Signs with a new key from now on; the old keys stay published.
    pub fn rotate(&mut self) {
        self.later.extend(SigningKey::generate());
    }

    /// Publishes only the current signing key.
    pub fn retire_old(&mut self) {
        if let Some(current) = self.later.pop() {
            self.first_retired = true;
            self.later = vec![current];
        }
    }

    /// Returns the key set with `issuer` in every key (at Entra it limits the tenants whose tokens a key may sign).
    /// The key of an app comes last, if it is asked for.
    pub fn document(&self, issuer: &str, personal_issuer: Option<&str>, with_app: bool) -> Value {
        let mut keys = self.all();
        keys.extend(with_app.then(of_app).flatten());
        let published = keys.iter().map(|key| with_issuer(key, issuer));
        let personal =
            personal_issuer.and_then(|issuer| keys.first().map(|key| with_issuer(key, issuer)));
        json!({"keys": published.chain(personal.into_iter().map(personal_copy)).collect::<Vec<_>>()})
    }
}

fn with_issuer(key: &SigningKey, issuer: &str) -> Value {
    let mut jwk = key.jwk.clone();
    jwk["issuer"] = issuer.into();
    jwk["cloud_instance_name"] = "microsoftonline.com".into();
    jwk
}

/// The key for personal accounts has its own id: a key may not be listed under two issuers.
fn personal_copy(mut jwk: Value) -> Value {
    jwk["kid"] = PERSONAL_KID.into();
    jwk["x5t"] = PERSONAL_KID.into();
    jwk
}

/// Key id under which tokens of personal accounts are signed.
pub(crate) const PERSONAL_KID: &str = "personal-accounts-key";
