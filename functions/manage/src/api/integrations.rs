//! `/integrations`: create or replace, read, list, verify, pause, resume, delete.

use edge::problem::{Code, Problem};
use edge::respond;
use ground::fields::Fields;
use http::StatusCode;
use vault::ids::{IntegrationId, InvalidId};
use vault::integrations::{Integration, RefusedTenants};

use super::Call;
use super::wire::{ClientCredential, IntegrationView, List};
use crate::HttpResult;
use crate::operations::integration_fields::{self, Checked};
use crate::operations::integration_store::Stored;
use crate::operations::integrations::IntegrationOperations;

fn view(
    integrations: &IntegrationOperations,
    integration: &Integration,
    refused: &RefusedTenants,
) -> IntegrationView {
    let admin_consent_url = integrations.admin_consent_url(integration);
    IntegrationView::new(integration, refused, &integrations.redirect_uri(), admin_consent_url)
}

async fn respond_with(
    call: &Call<'_>,
    status: StatusCode,
    integration: &Integration,
) -> HttpResult {
    let integrations = &call.operations.integrations;
    let refused = integrations.refused_tenants(integration).await?;
    respond::json(status, &view(integrations, integration, &refused))
}

pub(super) async fn put(call: &Call<'_>) -> HttpResult {
    let integrations = &call.operations.integrations;
    let id = call.parameter("integration").parse::<IntegrationId>();
    let id = id.map_err(|e: InvalidId| Problem::field("integration", e.to_string()))?;
    call.log.integration(&id);
    let mut fields = Fields::new(call.body()?);
    let credential: Option<ClientCredential> = fields.optional("client_credential");
    let checked = Checked::read(&mut fields, credential.as_ref(), integrations.can_federate());
    let (stored, integration) =
        integrations.store_integration(&id, fields.finish(checked)?, call.log).await?;
    let status = match stored {
        Stored::New => StatusCode::CREATED,
        Stored::Replaced => StatusCode::OK,
    };
    respond_with(call, status, &integration).await
}

/// Replaces the credential alone, for callers that have no copy of the other fields.
pub(super) async fn put_client_credential(call: &Call<'_>) -> HttpResult {
    let integrations = &call.operations.integrations;
    let id = call.integration().await?.id;
    let given: ClientCredential = call.body()?;
    let credential = integration_fields::credential(&given, integrations.can_federate());
    let credential = credential.map_err(|fault| vec![fault])?;
    let stored = integrations.store_credential(&id, &credential, call.log).await?;
    let integration = stored.ok_or_else(|| Problem::new(Code::IntegrationNotFound))?;
    respond_with(call, StatusCode::OK, &integration).await
}

pub(super) async fn list(call: &Call<'_>) -> HttpResult {
    let integrations = &call.operations.integrations;
    let all = integrations.list().await?;
    let refused = integrations.all_refused_tenants(&all).await?;
    let none = RefusedTenants::default();
    let view = |one: &Integration| view(integrations, one, refused.get(&one.id).unwrap_or(&none));
    let items = all.iter().map(view).collect();
    respond::json(StatusCode::OK, &List { items, next_cursor: None })
}

pub(super) async fn get(call: &Call<'_>) -> HttpResult {
    respond_with(call, StatusCode::OK, &call.integration().await?).await
}

pub(super) async fn delete(call: &Call<'_>) -> HttpResult {
    let id = call.integration().await?.id;
    call.operations.integrations.delete_integration(&id, call.log).await?;
    Ok(respond::no_content())
}

pub(super) async fn verify(call: &Call<'_>) -> HttpResult {
    let integration = call.integration().await?;
    let verification = call.operations.verifier.verify(&integration, call.log).await;
    respond::json(StatusCode::OK, &verification)
}

pub(super) async fn pause(call: &Call<'_>) -> HttpResult {
    let integrations = &call.operations.integrations;
    let integration = integrations.pause(call.parameter("integration"), call.log).await?;
    respond_with(call, StatusCode::OK, &integration).await
}

pub(super) async fn resume(call: &Call<'_>) -> HttpResult {
    let integrations = &call.operations.integrations;
    let integration = integrations.resume(call.parameter("integration"), call.log).await?;
    respond_with(call, StatusCode::OK, &integration).await
}
