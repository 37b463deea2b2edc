//! OpenID Connect Discovery 1.0, cached: the addresses of a tenant's endpoints.

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
use crate::identifiers::{ClientId, Tenant, TenantId};

/// Entra serves its documents with `max-age=86400`.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The pause after a failed attempt, in which a stale document is used.
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// The fields of a discovery document that we use.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// The issuer, with a literal `{tenantid}` where tenants share the document.
    pub issuer: String,
    /// RFC 6749 section 3.1.
    pub authorization_endpoint: Url,
    /// RFC 6749 section 3.2.
    pub token_endpoint: Url,
    /// The address of the signing keys.
    pub jwks_uri: Url,
    /// RFC 9207 section 3: whether authorization responses carry `iss`.
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub iss_parameter_supported: bool,
}

impl Metadata {
    /// Whether the authorization response with this `iss` can come from this server. Where tenants share the document, the
    /// tenant is still to be compared with that of the ID token.
    pub fn may_be_issuer(&self, iss: &str) -> bool {
        let Some((before, after)) = self.issuer.split_once("{tenantid}") else {
            return iss == self.issuer;
        };
        let tenant = iss.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        tenant.is_some_and(|tenant| tenant.parse::<TenantId>().is_ok())
    }
}

/// The reasons why there is no metadata.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetadataError {
    /// The document could not be read.
    #[error("the discovery document could not be read: {0}")]
    Fetch(#[from] FetchError),
    /// Entra answers that there is no document, as for a tenant that it does not find.
    #[error("the discovery document was refused: status {}", .0.status().as_u16())]
    Refused(http::Response<Vec<u8>>),
    /// The document names an endpoint to which secrets must not be sent.
    #[error("the discovery document names an endpoint that is neither https nor on this machine")]
    UnsafeEndpoint,
}

/// Whose discovery document: a tenant's, or a tenant's for one app.
type Subject = (Tenant, Option<ClientId>);

/// Discovery documents, with one request per tenant and day for all concurrent callers.
#[derive(Clone)]
pub struct MetadataCache {
    transport: Transport,
    authority: Authority,
    remembered: Remembered<Subject, Arc<Metadata>>,
}

impl MetadataCache {
    /// Returns an empty cache.
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
    /// [`MetadataError`] if the document cannot be read and never was.
    pub async fn get(&self, tenant: &Tenant) -> Result<Arc<Metadata>, MetadataError> {
        self.remembered_or_fetched((tenant.clone(), None)).await
    }

    /// Returns a tenant's metadata for one app. It leads to the app's own signing keys, if the tenant gave it some
    /// (<https://learn.microsoft.com/entra/identity-platform/jwt-claims-customization#validate-token-signing-key>).
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn of_app(
        &self,
        tenant: &Tenant,
        client_id: &ClientId,
    ) -> Result<Arc<Metadata>, MetadataError> {
        self.remembered_or_fetched((tenant.clone(), Some(client_id.clone()))).await
    }

    async fn remembered_or_fetched(
        &self,
        subject: Subject,
    ) -> Result<Arc<Metadata>, MetadataError> {
        let fetch = || async { Ok(Arc::new(self.fetch(&subject).await?)) };
        self.remembered.get(&subject, fetch).await
    }

    async fn fetch(&self, (tenant, app): &Subject) -> Result<Metadata, MetadataError> {
        let mut url = self.authority.metadata_url(tenant);
        if let Some(client_id) = app {
            url = format!("{url}?appid={client_id}");
        }
        let answer = fetch::get(&self.transport, &url).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(MetadataError::Refused(answer));
        }
        let metadata: Metadata = fetch::parse(&answer)?;
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
