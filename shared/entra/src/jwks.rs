//! Signing keys (RFC 7517), cached per `jwks_uri`.
//!
//! An unknown `kid` causes at most one fetch of the keys every five minutes: keys roll over without notice, and tokens
//! with invented ids must not become requests.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use ground::clock::Clock;
use ground::fetch::{self, FetchError};
use ground::transport::Transport;

/// Keys are fetched again after this time.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Keys are used for this long while they cannot be fetched.
const USABLE_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The pause between fetches because of an unknown key or a failure.
const LOOK_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Entra publishes some ten keys; Microsoft advises to be ready for a thousand.
const MOST_KEYS: usize = 1000;
/// The most addresses remembered; after that all are dropped.
const MOST_ADDRESSES: usize = 1000;

/// A signing key as published.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// The key.
    pub jwk: Jwk,
    /// The only issuer for which the key may sign, possibly with `{tenantid}` (Entra's extension).
    pub issuer: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Default)]
struct Slot {
    keys: HashMap<String, SigningKey>,
    read_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
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

    /// Returns the key with this `kid`, or `None` if the issuer does not publish it.
    ///
    /// # Errors
    /// [`FetchError`] if the keys cannot be fetched and were not in the last 24 hours.
    pub async fn key(&self, jwks_uri: &Url, kid: &str) -> Result<Option<Jwk>, FetchError> {
        Ok(self.signing_key(jwks_uri, kid).await?.map(|key| key.jwk))
    }

    /// Returns the same key, with Entra's restriction of its issuer.
    ///
    /// # Errors
    /// [`FetchError`], as [`Self::key`].
    pub async fn signing_key(
        &self,
        jwks_uri: &Url,
        kid: &str,
    ) -> Result<Option<SigningKey>, FetchError> {
        let slot = self.slot(jwks_uri).await;
        // Held while fetching: concurrent callers of one issuer share one request.
        let mut slot = slot.lock().await;
        let now = self.clock.now();
        let since = |time: Option<Timestamp>| time.map(|time| now.duration_since(time).abs());
        let fresh = since(slot.read_at).is_some_and(|age| age < FRESH_FOR);
        if fresh && let Some(key) = slot.keys.get(kid) {
            return Ok(Some(key.clone()));
        }
        let mut failure = FetchError::NoAnswer;
        if since(slot.looked_at).is_none_or(|age| age >= LOOK_AGAIN_AFTER) {
            let looked = self.fetch(jwks_uri).await;
            slot.looked_at = Some(now);
            match looked {
                Ok(keys) => {
                    slot.keys = keys;
                    slot.read_at = Some(now);
                }
                Err(error) => failure = error,
            }
        }
        if since(slot.read_at).is_some_and(|age| age < USABLE_FOR) {
            return Ok(slot.keys.get(kid).cloned());
        }
        Err(failure)
    }

    async fn slot(&self, jwks_uri: &Url) -> Arc<Mutex<Slot>> {
        let mut slots = self.slots.lock().await;
        if slots.len() >= MOST_ADDRESSES && !slots.contains_key(jwks_uri) {
            slots.clear();
        }
        Arc::clone(slots.entry(jwks_uri.clone()).or_default())
    }

    async fn fetch(&self, jwks_uri: &Url) -> Result<HashMap<String, SigningKey>, FetchError> {
        let document: Document = fetch::json(&self.transport, jwks_uri.as_str()).await?;
        let keys = document.keys.into_iter().take(MOST_KEYS).filter_map(|value| {
            let issuer = value.get("issuer").and_then(Value::as_str).map(str::to_owned);
            // A key of an unknown kind must not spoil the others.
            let jwk: Jwk = serde_json::from_value(value).ok()?;
            Some((jwk.common.key_id.clone()?, SigningKey { jwk, issuer }))
        });
        Ok(keys.collect())
    }
}
