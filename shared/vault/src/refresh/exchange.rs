//! Step 3: asking Entra, with a deadline that the lease outlives.

use std::time::Duration;

use entra::identifiers::{Tenant, TenantId};
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
    /// Asks Entra for new tokens.
    pub(super) async fn ask_entra(
        &self,
        connection: &Connection,
        integration: &Integration,
        refresh_token: &SecretString,
        claims: Option<&str>,
    ) -> Result<TokenResponse, Failure> {
        let asked = self.request(connection, integration, refresh_token, claims);
        let asked = tokio::time::timeout(DEADLINE, asked).await;
        let asked =
            asked.unwrap_or_else(|_| Err(CredentialUseError::Entra(TokenError::no_answer())));
        asked.map_err(Failure::from)
    }

    async fn request(
        &self,
        connection: &Connection,
        integration: &Integration,
        refresh_token: &SecretString,
        claims: Option<&str>,
    ) -> Result<TokenResponse, CredentialUseError> {
        // Always the tenant that issued the tokens; the user may have signed in through `organizations`.
        let tenant = Tenant::Id(connection.account.tenant_id.clone());
        let metadata = self.parts.metadata.get(&tenant).await;
        let metadata = &metadata.map_err(|error| CredentialUseError::Entra(error.into()))?;
        let scopes = &devops::scopes::request(&connection.scopes);
        self.parts
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
            .await
    }

    /// Entra has issued tokens: the integration becomes ready without an operator, and the tenant takes the app.
    pub(super) async fn accepted(&self, integration: &Integration, tenant: &TenantId) {
        if integration.status == integrations::Status::CredentialRejected
            && let Err(error) = self.parts.integrations.accept_credential(&integration.id).await
        {
            tracing::warn!(integration = %integration.id, "the integration stays marked as rejected: {error}");
        }
        self.tenants.accepted(integration, tenant).await;
    }
}

impl From<CredentialUseError> for Failure {
    fn from(error: CredentialUseError) -> Self {
        match error {
            CredentialUseError::Missing => Self::NoCredential,
            CredentialUseError::Vault(Error::NotFederated { .. }) => Self::NotFederated,
            CredentialUseError::Vault(error) => Self::Vault(error),
            CredentialUseError::Entra(error) => Self::Entra(error),
        }
    }
}
