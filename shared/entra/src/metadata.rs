//! OpenID Connect Discovery 1.0, cached: where a tenant's endpoints are.

use std::sync::Arc;

use ground::clock::Clock;
use ground::fetch::{self, FetchError};
use ground::http::is_trustworthy;
use ground::remembered::Remembered;
use ground::transport::Transport;
use jiff::SignedDuration;
use serde::Deserialize;
use url::Url;

use crate::cloud::Authority;
use crate::identifiers::Tenant;

/// Entra serves its documents with `max-age=86400`.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(24);
/// After a failed attempt a stale document is used this long before the next.
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);

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

/// Discovery documents, one request per tenant and day however many callers wait for it.
#[derive(Clone)]
pub struct MetadataCache {
    transport: Transport,
    authority: Authority,
    remembered: Remembered<Tenant, Arc<Metadata>>,
}

impl MetadataCache {
    /// Reads nothing yet.
    pub fn new(
        transport: impl Into<Transport>,
        authority: Authority,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let remembered =
            Remembered::new(clock, FRESH_FOR).or_stale(SignedDuration::MAX, ASK_AGAIN_AFTER);
        Self { transport: transport.into(), authority, remembered }
    }

    /// Returns a tenant's metadata: at most a day old, or older while the document cannot be read.
    ///
    /// # Errors
    /// [`MetadataError`] if it cannot be read and never was.
    pub async fn get(&self, tenant: &Tenant) -> Result<Arc<Metadata>, MetadataError> {
        let fetch = || async { Ok(Arc::new(self.fetch(tenant).await?)) };
        self.remembered.get(tenant, fetch).await
    }

    async fn fetch(&self, tenant: &Tenant) -> Result<Metadata, MetadataError> {
        let url = self.authority.metadata_url(tenant);
        let metadata: Metadata = fetch::json(&self.transport, &url).await?;
        let endpoints =
            [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if endpoints.into_iter().all(is_trustworthy) {
            Ok(metadata)
        } else {
            Err(MetadataError::UnsafeEndpoint)
        }
    }
}

#[cfg(test)]
mod tests;
