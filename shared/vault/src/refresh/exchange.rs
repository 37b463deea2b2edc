//! Step 3: asking Entra, with a deadline that the lease outlives.

use std::time::Duration;

use entra::error_class::{ErrorClass, Party};
use entra::identifiers::Tenant;
use entra::token::{RefreshRequest, TokenError, TokenResponse};
use secrecy::SecretString;

use super::Refresher;
use super::failure::Failure;
use crate::Error;
use crate::client_credentials::CredentialUseError;
use crate::connections::Connection;
use crate::integrations::{self, Integration};

/// The time for all requests of one refresh, with both credentials of a rotation.
const DEADLINE: Duration = Duration::from_secs(8);

impl Refresher {
    pub(super) async fn ask_entra(
        &self,
        connection: &Connection,
        integration: &Integration,
        refresh_token: &SecretString,
        claims: Option<&str>,
    ) -> Result<TokenResponse, Failure> {
        let asked = self.ask(connection, integration, refresh_token, claims);
        let asked = tokio::time::timeout(DEADLINE, asked).await;
        asked.unwrap_or_else(|_| Err(Failure::Entra(TokenError::no_answer())))
    }

    async fn ask(
        &self,
        connection: &Connection,
        integration: &Integration,
        refresh_token: &SecretString,
        claims: Option<&str>,
    ) -> Result<TokenResponse, Failure> {
        // Always the tenant that issued the tokens; the user may have signed in through `organizations`.
        let tenant = Tenant::Id(connection.account.tenant_id.clone());
        let metadata =
            self.parts.metadata.get(&tenant).await.map_err(|error| Failure::Entra(error.into()))?;
        let scopes = devops::scopes::request(&connection.scopes);
        let (metadata, scopes) = (&metadata, &scopes);
        let asked = self
            .parts
            .credentials
            .with_live(&integration.id, |credential| async move {
                self.meter.count(|counts| counts.token_requests += 1);
                let request = RefreshRequest {
                    client_id: &integration.settings.client_id,
                    credential: &credential,
                    refresh_token,
                    scopes,
                    claims,
                };
                self.parts.entra.refresh(metadata, request).await
            })
            .await;
        match asked {
            Ok(tokens) => {
                self.accepted(integration).await;
                self.tenants.accepted(integration, &connection.account.tenant_id).await;
                Ok(tokens)
            }
            Err(CredentialUseError::Missing) => Err(Failure::NoCredential),
            Err(CredentialUseError::Vault(Error::NotFederated { .. })) => {
                Err(Failure::NotFederated)
            }
            Err(CredentialUseError::Vault(error)) => Err(Failure::Vault(error)),
            Err(CredentialUseError::Entra(error)) => {
                if judges_the_grant(error.class) {
                    self.tenants.accepted(integration, &connection.account.tenant_id).await;
                }
                Err(Failure::Entra(error))
            }
        }
    }

    /// Entra accepts the credential again, so the integration becomes ready without an operator.
    async fn accepted(&self, integration: &Integration) {
        if integration.status == integrations::Status::CredentialRejected
            && let Err(error) = self.parts.integrations.accept_credential(&integration.id).await
        {
            tracing::warn!(integration = %integration.id, "the integration stays marked as rejected: {error}");
        }
    }
}

/// Whether a refusal is about the grant for a known reason, which Entra looks at only in a tenant that takes the app.
fn judges_the_grant(class: ErrorClass) -> bool {
    class.party() == Party::Connection && class != ErrorClass::Suspect
}
