//! What the management API and the portal do. An operation takes and returns domain values or a [`Problem`]; requests,
//! responses and pages are its callers' business.

pub(crate) mod api_keys;
pub(crate) mod connect_sessions;
pub(crate) mod connections;
pub(crate) mod gateway_client;
pub(crate) mod integration_fields;
pub(crate) mod integration_store;
pub(crate) mod integrations;
pub(crate) mod verify;

use edge::caller::Caller;
use edge::problem::{Code, Problem};
use serde::Serialize;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use vault::ids::IntegrationId;
use vault::integrations::{Integration, Integrations};
use vault::service::{Service, Status};

/// Stops the service or lets it continue.
pub(crate) async fn turn_service(service: &Service, status: Status) -> Result<(), Problem> {
    service.turn(status).await?;
    tracing::warn!(?status, "the operator turned the kill switch");
    Ok(())
}

/// Returns an integration, if the caller may see it.
///
/// # Errors
/// [`Code::IntegrationNotFound`] otherwise.
async fn visible_integration(
    integrations: &Integrations,
    caller: &Caller,
    id: &IntegrationId,
) -> Result<Integration, Problem> {
    let integration = if caller.sees_integration(id) { integrations.get(id).await? } else { None };
    integration.ok_or_else(|| Problem::new(Code::IntegrationNotFound))
}

/// Returns the variant of an enum that is written as `word`, such as `active`, or `None` if there is none.
pub(crate) fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    let word: StrDeserializer<'_, Error> = word.into_deserializer();
    T::deserialize(word).ok()
}

/// Returns the word of an enum's variant.
pub(crate) fn to_word(variant: &impl Serialize) -> String {
    let word = serde_json::to_value(variant).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}
