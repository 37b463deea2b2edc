//! The steps.

use std::time::{Duration, SystemTime};

use entra::credential::ClientCredential;
use entra::error_class::ErrorClass;
use entra::graph::{GraphError, Password};
use entra::metadata::MetadataError;
use entra::token::{ClientCredentialsRequest, TokenError};
use jiff::SignedDuration;
use secrecy::SecretString;
use uuid::Uuid;
use vault::client_credentials::rotation::ClientSecretVersion;
use vault::integrations::Integration;

use crate::Rotate;
use crate::event::RotationEvent;

/// For how long a new client secret is asked to be valid. Microsoft recommends less than a year.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(180 * 24);
/// Entra's servers learn of a new password one after the other.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);
/// What one try may take, and what is left of the function's time then.
const ONE_TRY: Duration = Duration::from_secs(15);

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    /// The secret is none of an integration.
    #[error("this is not the secret of an integration")]
    NotOurs,
    /// The integration's credential is a certificate, or federated.
    #[error("the integration has no client secret to renew")]
    NoClientSecret,
    /// A later step came before `createSecret`.
    #[error("there is no pending version with this token")]
    NotPending,
    /// Entra.
    #[error("Entra's metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// Entra.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Microsoft Graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Secrets Manager or DynamoDB.
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

/// What a step is about.
pub(crate) struct Rotation {
    pub(crate) integration: Integration,
    token: String,
    current: ClientSecretVersion,
}

impl Rotate {
    pub(crate) async fn begin(&self, event: &RotationEvent) -> Result<Rotation, RotationError> {
        let id = self.credentials.integration_of(&event.secret_id).ok_or(RotationError::NotOurs)?;
        let integration = self.integrations.get(&id).await?.ok_or(RotationError::NotOurs)?;
        let current = self.credentials.client_secret_version(&id, "AWSCURRENT").await?;
        let current = current.ok_or(RotationError::NoClientSecret)?;
        Ok(Rotation { integration, token: event.client_request_token.clone(), current })
    }

    /// Asks Entra for another password, unless an earlier try has got one.
    pub(crate) async fn create(&self, rotation: &Rotation) -> Result<(), RotationError> {
        if rotation.is_finished() || self.pending(rotation).await?.is_some() {
            return Ok(());
        }
        let graph_token = self.graph_token(rotation, &rotation.current.credential).await?;
        let now = self.clock.now();
        let name = format!("ado-connect {}", now.strftime("%Y-%m-%d"));
        let client_id = &rotation.integration.client_id;
        let password =
            self.graph.add_password(&graph_token, client_id, &name, now + VALID_FOR).await?;
        self.keep(rotation, &graph_token, &password).await
    }

    /// A password that could not be stored would be valid and in nobody's hands: it is taken back.
    async fn keep(
        &self,
        rotation: &Rotation,
        graph_token: &SecretString,
        password: &Password,
    ) -> Result<(), RotationError> {
        let integration = &rotation.integration;
        let kept = self.credentials.put_pending(&integration.id, &rotation.token, password).await;
        if let Err(error) = kept {
            let key_id = password.key_id;
            let removed =
                self.graph.remove_password(graph_token, &integration.client_id, key_id).await;
            if let Err(error) = removed {
                tracing::error!(%key_id, "a password stays in Entra that nobody knows: {error}");
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// Signs in with the pending secret; a new one takes a while to be known everywhere.
    pub(crate) async fn test(
        &self,
        rotation: &Rotation,
        deadline: SystemTime,
    ) -> Result<(), RotationError> {
        if rotation.is_finished() {
            return Ok(());
        }
        let pending = self.pending(rotation).await?.ok_or(RotationError::NotPending)?;
        let scope = format!("{}/.default", devops::scopes::RESOURCE_ID);
        loop {
            match self.sign_in(rotation, &pending.credential, &scope).await {
                Ok(_) => return Ok(()),
                Err(RotationError::Token(error))
                    if error.class == ErrorClass::ApplicationBroken =>
                {
                    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
                    if left < BETWEEN_TRIES + ONE_TRY {
                        return Err(error.into());
                    }
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the pending secret the current one, and removes from Entra the one before the last.
    pub(crate) async fn finish(&self, rotation: &Rotation) -> Result<(), RotationError> {
        let id = &rotation.integration.id;
        if !rotation.is_finished() {
            let pending = self.pending(rotation).await?.ok_or(RotationError::NotPending)?;
            let before_last = self.credentials.client_secret_version(id, "AWSPREVIOUS").await?;
            let current = &rotation.current.version_id;
            self.credentials.promote(id, current, &rotation.token).await?;
            if let Some(key_id) = before_last.and_then(|version| version.key_id) {
                self.remove(rotation, &pending.credential, key_id).await;
            }
        }
        let current = self.credentials.client_secret_version(id, "AWSCURRENT").await?;
        if let Some(expires_at) = current.and_then(|version| version.expires_at) {
            self.integrations.renew_client_secret(id, expires_at).await?;
        }
        Ok(())
    }

    /// What cannot be removed expires by itself.
    async fn remove(&self, rotation: &Rotation, credential: &ClientCredential, key_id: Uuid) {
        let client_id = &rotation.integration.client_id;
        let removed = match self.graph_token(rotation, credential).await {
            Ok(token) => match self.graph.remove_password(&token, client_id, key_id).await {
                Ok(()) | Err(GraphError::NotFound) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = removed {
            tracing::warn!(%key_id, "a former client secret stays in Entra until it expires: {error}");
        }
    }

    async fn pending(
        &self,
        rotation: &Rotation,
    ) -> Result<Option<ClientSecretVersion>, RotationError> {
        let id = &rotation.integration.id;
        let pending = self.credentials.client_secret_version(id, "AWSPENDING").await?;
        Ok(pending.filter(|version| version.version_id == rotation.token))
    }

    async fn graph_token(
        &self,
        rotation: &Rotation,
        credential: &ClientCredential,
    ) -> Result<SecretString, RotationError> {
        self.sign_in(rotation, credential, &self.graph.scope()).await
    }

    /// A token of the app itself, in the tenant where it is registered.
    async fn sign_in(
        &self,
        rotation: &Rotation,
        credential: &ClientCredential,
        scope: &str,
    ) -> Result<SecretString, RotationError> {
        let metadata = self.metadata.get(&self.tenant).await?;
        let client_id = &rotation.integration.client_id;
        let request = ClientCredentialsRequest { client_id, credential, scope };
        Ok(self.entra.client_credentials(&metadata, request).await?.access_token)
    }
}

impl Rotation {
    /// Whether an earlier try has come to the end.
    fn is_finished(&self) -> bool {
        self.current.version_id == self.token
    }
}
