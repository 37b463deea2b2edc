//! `/integrations`: create or replace, read, list, verify, pause, resume, delete.

use edge::gateway::Request;
use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::problem::{Code, Problem};
use edge::respond;
use ground::fields::Fields;
use http::StatusCode;
use vault::ids::IntegrationId;
use vault::integrations::Integration;

use crate::HttpResult;
use crate::api::wire::{ClientCredential, IntegrationView, List};
use crate::operations::integration_fields::{self, Checked};
use crate::operations::integration_store::Stored;
use crate::operations::integrations::IntegrationOperations;
use crate::operations::verify::Verifier;

fn view(integrations: &IntegrationOperations, integration: &Integration) -> IntegrationView {
    let admin_consent_url = integrations.admin_consent_url(integration);
    IntegrationView::new(integration, &integrations.redirect_uri(), admin_consent_url)
}

pub(super) async fn put(
    integrations: &IntegrationOperations,
    id: &str,
    request: &Request,
    log: &RequestLog,
) -> HttpResult {
    let id: IntegrationId = id
        .parse()
        .map_err(|e: vault::ids::InvalidId| Problem::field("integration", e.to_string()))?;
    log.integration(&id);
    let mut fields = Fields::new(json_body(request, JSON_LIMIT)?);
    let credential: Option<ClientCredential> = fields.optional("client_credential");
    let checked = Checked::read(&mut fields, credential.as_ref(), integrations.can_federate());
    let (stored, integration) =
        integrations.store_integration(&id, fields.finish(checked)?).await?;
    let status = match stored {
        Stored::New => StatusCode::CREATED,
        Stored::Replaced => StatusCode::OK,
    };
    respond::json(status, &view(integrations, &integration))
}

/// Replaces the credential alone, for callers that do not know the other fields.
pub(super) async fn put_client_credential(
    integrations: &IntegrationOperations,
    id: &str,
    request: &Request,
    log: &RequestLog,
) -> HttpResult {
    let id = integrations.get(id, log).await?.id;
    let given: ClientCredential = json_body(request, JSON_LIMIT)?;
    let credential = integration_fields::credential(&given, integrations.can_federate());
    let credential = credential.map_err(|fault| vec![fault])?;
    let stored = integrations.store_credential(&id, &credential).await?;
    let integration = stored.ok_or_else(|| Problem::new(Code::IntegrationNotFound))?;
    respond::json(StatusCode::OK, &view(integrations, &integration))
}

pub(super) async fn list(integrations: &IntegrationOperations) -> HttpResult {
    let all = integrations.list().await?;
    let items = all.iter().map(|integration| view(integrations, integration)).collect();
    respond::json(StatusCode::OK, &List { items, next_cursor: None })
}

pub(super) async fn get(
    integrations: &IntegrationOperations,
    id: &str,
    log: &RequestLog,
) -> HttpResult {
    let integration = integrations.get(id, log).await?;
    respond::json(StatusCode::OK, &view(integrations, &integration))
}

pub(super) async fn delete(
    integrations: &IntegrationOperations,
    id: &str,
    log: &RequestLog,
) -> HttpResult {
    let id = integrations.get(id, log).await?.id;
    integrations.forget_integration(&id).await?;
    Ok(respond::no_content())
}

pub(super) async fn verify(
    integrations: &IntegrationOperations,
    verifier: &Verifier,
    id: &str,
    log: &RequestLog,
) -> HttpResult {
    let integration = integrations.get(id, log).await?;
    respond::json(StatusCode::OK, &verifier.verify(&integration).await)
}

pub(super) async fn pause(
    integrations: &IntegrationOperations,
    id: &str,
    log: &RequestLog,
) -> HttpResult {
    let integration = integrations.pause(id, log).await?;
    respond::json(StatusCode::OK, &view(integrations, &integration))
}

pub(super) async fn resume(
    integrations: &IntegrationOperations,
    id: &str,
    log: &RequestLog,
) -> HttpResult {
    let integration = integrations.resume(id, log).await?;
    respond::json(StatusCode::OK, &view(integrations, &integration))
}
