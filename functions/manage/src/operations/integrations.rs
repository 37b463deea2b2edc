//! Integrations: finding, pausing and resuming them. [`super::integration_store`] stores and deletes them.

use std::collections::HashMap;
use std::sync::Arc;

use devops::organization::OrganizationName;
use edge::config::PublicUrl;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use entra::cloud::Authority;
use ground::clock::Clock;
use url::Url;
use vault::api_keys::ApiKeys;
use vault::audit::{Audit, AuditEvent, What};
use vault::client_credentials::ClientCredentials;
use vault::connections::Connection;
use vault::ids::IntegrationId;
use vault::integrations::{Integration, Integrations, RefusedTenants};

use super::connections::ConnectionOperations;

/// Finds, stores, pauses and deletes integrations.
pub(crate) struct IntegrationOperations {
    pub(crate) integrations: Integrations,
    pub(crate) credentials: ClientCredentials,
    pub(crate) connections: ConnectionOperations,
    pub(crate) api_keys: ApiKeys,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) public_url: PublicUrl,
    pub(crate) authority: Authority,
}

impl IntegrationOperations {
    /// Returns all integrations, ordered by id.
    pub(crate) async fn list(&self) -> Result<Vec<Integration>, Problem> {
        Ok(self.integrations.list().await?)
    }

    /// Returns the integration that an operator names.
    ///
    /// # Errors
    /// [`Code::IntegrationNotFound`].
    pub(crate) async fn get(&self, id: &str, log: &RequestLog) -> Result<Integration, Problem> {
        let not_found = || Problem::new(Code::IntegrationNotFound);
        let id: IntegrationId = id.parse().map_err(|_| not_found())?;
        log.integration(&id);
        self.integrations.get(&id).await?.ok_or_else(not_found)
    }

    /// Returns the tenants that refuse an integration's app.
    pub(crate) async fn refused_tenants(
        &self,
        of: &Integration,
    ) -> Result<RefusedTenants, Problem> {
        Ok(self.integrations.refused_tenants(of).await?)
    }

    /// Returns the tenants that refuse the app, for each of these integrations that has such tenants.
    pub(crate) async fn all_refused_tenants(
        &self,
        of: &[Integration],
    ) -> Result<HashMap<IntegrationId, RefusedTenants>, Problem> {
        Ok(self.integrations.all_refused_tenants(of).await?)
    }

    /// Returns an integration, or `None` if there is none with this id.
    pub(crate) async fn find(&self, id: &IntegrationId) -> Result<Option<Integration>, Problem> {
        Ok(self.integrations.get(id).await?)
    }

    /// Returns an organization that a connection reaches, or `None` if its integration serves any.
    pub(crate) async fn first_organization(
        &self,
        connection: &Connection,
    ) -> Result<Option<OrganizationName>, Problem> {
        let integration = self.integrations.get(&connection.integration).await?;
        let reachable = integration.map(|integration| {
            integration.settings.organizations.reachable(connection.organization.as_ref())
        });
        Ok(reachable.unwrap_or_default().into_iter().next())
    }

    /// Pauses an integration, and returns it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn pause(&self, id: &str, log: &RequestLog) -> Result<Integration, Problem> {
        let integration = self.get(id, log).await?;
        self.integrations.pause(&integration.id).await?;
        self.record(What::IntegrationPaused, &integration.id, log).await;
        self.get(id, log).await
    }

    /// Resumes an integration if it is paused, and returns it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn resume(&self, id: &str, log: &RequestLog) -> Result<Integration, Problem> {
        let integration = self.get(id, log).await?;
        self.integrations.resume(&integration.id).await?;
        self.record(What::IntegrationResumed, &integration.id, log).await;
        self.get(id, log).await
    }

    pub(super) async fn record(&self, what: What, id: &IntegrationId, by: &RequestLog) {
        self.audit.record(&by.actor(), &AuditEvent::of_integration(what, id)).await;
    }

    /// Returns the redirect URI to register in Entra.
    pub(crate) fn redirect_uri(&self) -> Url {
        self.public_url.redirect_uri()
    }

    /// Returns where an administrator consents for a whole tenant.
    pub(crate) fn admin_consent_url(&self, integration: &Integration) -> String {
        self.authority.admin_consent_url(
            &integration.settings.client_id,
            devops::scopes::RESOURCE_ID,
            &self.redirect_uri(),
        )
    }

    /// Returns whether this deployment has a role for federated credentials.
    pub(crate) fn can_federate(&self) -> bool {
        self.credentials.federated_audience().is_some()
    }
}
