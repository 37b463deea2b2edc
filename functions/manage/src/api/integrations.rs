//! `/integrations`: create or replace, read, list, delete.

use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::problem::{Code, Problem};
use edge::respond;
use ground::fields::Fields;
use http::{Response, StatusCode};
use vault::ids::IntegrationId;
use vault::integrations::Integration;

use crate::api::wire::{ClientCredential, IntegrationView, List};
use crate::operations::integration_fields::{self, Checked};
use crate::operations::integration_store::Stored;
use crate::{HttpResult, Manage};

impl Manage {
    fn view(&self, integration: &Integration) -> IntegrationView {
        let admin_consent_url = self.integrations.admin_consent_url(integration);
        IntegrationView::new(integration, &self.integrations.redirect_uri(), admin_consent_url)
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
        let mut fields = Fields::new(json_body(request, JSON_LIMIT)?);
        let credential: Option<ClientCredential> = fields.optional("client_credential");
        let checked =
            Checked::read(&mut fields, credential.as_ref(), self.integrations.can_federate());
        let (stored, integration) =
            self.integrations.store_integration(&id, fields.finish(checked)?).await?;
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
        let id = self.integrations.get(id, log).await?.id;
        let given: ClientCredential = json_body(request, JSON_LIMIT)?;
        let credential = integration_fields::credential(&given, self.integrations.can_federate());
        let credential = credential.map_err(|fault| vec![fault])?;
        let stored = self.integrations.store_credential(&id, &credential).await?;
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
        let integration = self.integrations.get(id, log).await?;
        respond::json(StatusCode::OK, &self.view(&integration))
    }

    pub(crate) async fn delete_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = self.integrations.get(id, log).await?.id;
        self.integrations.forget_integration(&id).await?;
        Ok(respond::no_content())
    }

    pub(crate) async fn verify_integration(&self, id: &str, log: &RequestLog) -> HttpResult {
        let integration = self.integrations.get(id, log).await?;
        respond::json(StatusCode::OK, &self.verifier.verify(&integration).await)
    }

    pub(crate) async fn pause_integration(&self, id: &str, log: &RequestLog) -> HttpResult {
        let integration = self.integrations.pause(id, log).await?;
        respond::json(StatusCode::OK, &self.view(&integration))
    }

    pub(crate) async fn resume_integration(&self, id: &str, log: &RequestLog) -> HttpResult {
        let integration = self.integrations.resume(id, log).await?;
        respond::json(StatusCode::OK, &self.view(&integration))
    }
}
