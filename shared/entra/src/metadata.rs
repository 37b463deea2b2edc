//! OpenID Connect Discovery 1.0, cached: where a tenant's endpoints are.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::clock::Clock;
use crate::cloud::{Authority, is_loopback_http};
use crate::fetch::{self, FetchError};
use crate::identifiers::Tenant;
use crate::transport::Transport;

/// Entra serves its documents with `max-age=86400`.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(24);
/// After a failed attempt a stale document is used this long before the next.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Tenants that are remembered; beyond that all are forgotten.
const MOST_TENANTS: usize = 1000;

/// What is needed of a discovery document.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// The issuer, with a literal `{tenantid}` where tenants share the document.
    pub issuer: String,
    /// RFC 6749 section 3.1.
    pub authorization_endpoint: Url,
    /// RFC 6749 section 3.2.
    pub token_endpoint: Url,
    /// Where the signing keys are.
    pub jwks_uri: Url,
    /// RFC 9207 section 3: whether authorization responses carry `iss`.
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub iss_parameter_supported: bool,
}

/// Why there is no metadata.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetadataError {
    /// The document could not be read.
    #[error("the discovery document could not be read: {0}")]
    Fetch(#[from] FetchError),
    /// It names an endpoint to which a secret must not be sent.
    #[error("the discovery document names an endpoint that is neither https nor on this machine")]
    UnsafeEndpoint,
}

#[derive(Default)]
struct Slot {
    metadata: Option<Arc<Metadata>>,
    /// When it was read, or reading it again was last attempted.
    looked_at: Timestamp,
    stale: bool,
}

/// Discovery documents, one request per tenant and day however many callers wait for it.
#[derive(Clone)]
pub struct MetadataCache {
    transport: Transport,
    authority: Authority,
    clock: Arc<dyn Clock>,
    slots: Arc<Mutex<HashMap<Tenant, Arc<Mutex<Slot>>>>>,
}

impl MetadataCache {
    /// Reads nothing yet.
    pub fn new(
        transport: impl Into<Transport>,
        authority: Authority,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { transport: transport.into(), authority, clock, slots: Arc::default() }
    }

    /// A tenant's metadata: at most a day old, or older while the document cannot be read.
    ///
    /// # Errors
    /// [`MetadataError`] when it cannot be read and never was.
    pub async fn get(&self, tenant: &Tenant) -> Result<Arc<Metadata>, MetadataError> {
        let slot = self.slot(tenant).await;
        // Held while fetching: concurrent callers of one tenant share one request.
        let mut slot = slot.lock().await;
        let now = self.clock.now();
        let age = now.duration_since(slot.looked_at).abs();
        let good_for = if slot.stale { RETRY_AFTER } else { FRESH_FOR };
        if let Some(metadata) = &slot.metadata
            && age < good_for
        {
            return Ok(Arc::clone(metadata));
        }
        let fetched = self.fetch(tenant).await;
        slot.looked_at = now;
        slot.stale = fetched.is_err();
        match fetched {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                slot.metadata = Some(Arc::clone(&metadata));
                Ok(metadata)
            }
            Err(error) => slot.metadata.as_ref().map(Arc::clone).ok_or(error),
        }
    }

    async fn slot(&self, tenant: &Tenant) -> Arc<Mutex<Slot>> {
        let mut slots = self.slots.lock().await;
        if slots.len() >= MOST_TENANTS && !slots.contains_key(tenant) {
            slots.clear();
        }
        Arc::clone(slots.entry(tenant.clone()).or_default())
    }

    async fn fetch(&self, tenant: &Tenant) -> Result<Metadata, MetadataError> {
        let url = self.authority.metadata_url(tenant);
        let metadata: Metadata = fetch::json(&self.transport, &url).await?;
        let endpoints =
            [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        let safe = |url: &&Url| url.scheme() == "https" || is_loopback_http(url);
        if endpoints.iter().all(safe) { Ok(metadata) } else { Err(MetadataError::UnsafeEndpoint) }
    }
}

#[cfg(test)]
mod tests;
