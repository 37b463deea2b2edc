//! The integrations that a caller may see.

use edge::caller::Caller;
use edge::problem::{Code, Problem};
use vault::ids::IntegrationId;
use vault::integrations::{Integration, Integrations};

/// Returns an integration, if the caller may see it.
///
/// # Errors
/// [`Code::IntegrationNotFound`] otherwise.
pub(super) async fn visible_integration(
    integrations: &Integrations,
    caller: &Caller,
    id: &IntegrationId,
) -> Result<Integration, Problem> {
    let integration = integrations.get(id).await?;
    integration
        .filter(|integration| caller.sees_integration(integration))
        .ok_or_else(|| Problem::new(Code::IntegrationNotFound))
}
