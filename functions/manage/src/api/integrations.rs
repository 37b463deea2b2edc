//! `/integrations`: create or replace, read, list, delete.

use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use vault::ids::IntegrationId;
use vault::integrations::Integration;

use crate::Manage;
use crate::api::wire::{ClientCredential, IntegrationView, List, PutIntegration};
use crate::operations::integration_fields as fields;
use crate::operations::integration_store::Stored;

impl Manage {
    /// Where an administrator consents for a whole tenant.
    pub(crate) fn admin_consent_url(&self, integration: &Integration) -> String {
        self.authority.admin_consent_url(
            &integration.settings.client_id,
            devops::scopes::RESOURCE_ID,
            &self.public_url.redirect_uri(),
        )
    }

    fn view(&self, integration: &Integration) -> IntegrationView {
        let redirect_uri = self.public_url.redirect_uri();
        IntegrationView::new(integration, &redirect_uri, self.admin_consent_url(integration))
    }

    pub(crate) async fn put_integration(
        &self,
        id: &str,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id: IntegrationId = id
            .parse()
            .map_err(|e: vault::ids::InvalidId| Problem::field("integration", e.to_string()))?;
        log.integration(&id);
        let wish: PutIntegration = json_body(request, JSON_LIMIT)?;
        let (stored, integration) = self.store_integration(&id, &wish).await?;
        let status = match stored {
            Stored::New => StatusCode::CREATED,
            Stored::Replaced => StatusCode::OK,
        };
        respond::json(status, &self.view(&integration))
    }

    /// Renewing a credential must not take the other fields along: whoever renews it may not know them.
    pub(crate) async fn put_client_credential(
        &self,
        id: &str,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, log).await?.id;
        let given: ClientCredential = json_body(request, JSON_LIMIT)?;
        let (credential, description) =
            fields::credential(&given, self.credentials.can_federate())?;
        let stored = self.store_credential(&id, &(credential, description)).await?;
        let integration = stored.ok_or_else(|| Problem::new(Code::IntegrationNotFound))?;
        respond::json(StatusCode::OK, &self.view(&integration))
    }

    pub(crate) async fn list_integrations(&self) -> Result<Response<Body>, Problem> {
        let integrations = self.integrations.list().await?;
        let items = integrations.iter().map(|integration| self.view(integration)).collect();
        respond::json(StatusCode::OK, &List { items, next_cursor: None })
    }

    pub(crate) async fn get_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.named_integration(id, log).await?;
        respond::json(StatusCode::OK, &self.view(&integration))
    }

    pub(crate) async fn delete_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, log).await?.id;
        self.forget_integration(&id).await?;
        Ok(respond::no_content())
    }

    /// The integration that an operator names in the path.
    pub(crate) async fn named_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Integration, Problem> {
        let not_found = || Problem::new(Code::IntegrationNotFound);
        let id: IntegrationId = id.parse().map_err(|_| not_found())?;
        log.integration(&id);
        self.integrations.get(&id).await?.ok_or_else(not_found)
    }
}
