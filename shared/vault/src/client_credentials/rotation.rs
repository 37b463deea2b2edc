//! The versions of a client secret during a rotation by Secrets Manager.
//!
//! ```text
//!            before      createSecret     finishSecret
//!  AWSCURRENT  one         one              two
//!  AWSPENDING              two
//!  AWSPREVIOUS zero        zero             one        zero is removed from Entra
//! ```
//!
//! The former secret stays valid in Entra until the next rotation, because processes cache it for minutes. A pending
//! version names its app and the version that it replaces: if the operator changed either, the rotation is given up.
//!
//! Source: "Lambda rotation functions", AWS Secrets Manager user guide.

use entra::credential::ClientCredential;
use entra::graph::Password;
use entra::identifiers::ClientId;
use uuid::Uuid;

use super::versions::{Made, Stage, VersionId};
use super::{ClientCredentials, Stored};
use crate::Error;
use crate::ids::IntegrationId;

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationState {
    /// The version is pending.
    Pending,
    /// The version is the current one.
    Finished,
    /// There is no such rotation, or another one has begun since.
    Unknown,
}

/// A client secret in one version of an integration's secret.
pub struct ClientSecretVersion {
    /// The version's id.
    pub version_id: VersionId,
    /// The client secret.
    pub credential: ClientCredential,
    /// `None` for a secret that the operator entered.
    pub made: Option<Made>,
}

impl ClientSecretVersion {
    /// The id by which Entra removes it.
    pub fn key_id(&self) -> Option<Uuid> {
        self.made.as_ref().map(|made| made.key_id)
    }
}

impl ClientCredentials {
    /// The integration whose secret this is, by its ARN or its name.
    pub fn integration_of(&self, secret_id: &str) -> Option<IntegrationId> {
        let name = match secret_id.split_once(":secret:") {
            // Secrets Manager appends a hyphen and six characters to an ARN.
            Some((_, name)) => name.rsplit_once('-')?.0,
            None => secret_id,
        };
        name.strip_prefix(&self.prefix)?.strip_prefix("integrations/")?.parse().ok()
    }

    /// The state of the rotation that makes this version.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is.
    pub async fn rotation_state(
        &self,
        id: &IntegrationId,
        version: &VersionId,
    ) -> Result<RotationState, Error> {
        let described = self
            .client
            .describe_secret()
            .secret_id(self.name(id))
            .send()
            .await
            .map_err(|e| Error::sdk("secretsmanager", "DescribeSecret", &e))?;
        let stages = described
            .version_ids_to_stages()
            .and_then(|versions| versions.get(version.as_str()))
            .map(Vec::as_slice)
            .unwrap_or_default();
        let has = |stage: Stage| stages.iter().any(|label| label == stage.as_str());
        Ok(if described.rotation_enabled() != Some(true) {
            RotationState::Unknown
        } else if has(Stage::Current) {
            RotationState::Finished
        } else if has(Stage::Pending) {
            RotationState::Pending
        } else {
            RotationState::Unknown
        })
    }

    /// The version with this stage. `None` when there is none, it has no value yet, or it is not a client secret.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is; [`Error::Corrupt`] for an unreadable value.
    pub async fn client_secret_version(
        &self,
        id: &IntegrationId,
        stage: Stage,
    ) -> Result<Option<ClientSecretVersion>, Error> {
        let Some((version_id, stored)) = self.stored(id, stage).await? else { return Ok(None) };
        let Stored::ClientSecret { client_secret, made } = stored else { return Ok(None) };
        let credential = ClientCredential::Secret(client_secret);
        Ok(Some(ClientSecretVersion { version_id, credential, made }))
    }

    /// Stores a password that Entra made for `client_id` as the pending version, to replace the version `replaces`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is; it may be stored all the same.
    pub async fn put_pending(
        &self,
        id: &IntegrationId,
        version: &VersionId,
        password: &Password,
        client_id: &ClientId,
        replaces: &VersionId,
    ) -> Result<(), Error> {
        let stored = Stored::ClientSecret {
            client_secret: password.secret.clone(),
            made: Some(Made {
                key_id: password.key_id,
                expires_at: password.expires_at,
                client_id: client_id.clone(),
                replaces: replaces.clone(),
            }),
        };
        self.client
            .put_secret_value()
            .secret_id(self.name(id))
            .client_request_token(version.as_str())
            .secret_string(stored.json()?.as_str())
            .version_stages(Stage::Pending.as_str())
            .send()
            .await
            .map(drop)
            .map_err(|e| Error::sdk("secretsmanager", "PutSecretValue", &e))
    }

    /// Makes the pending version the current one, and the current one the previous one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is, or `from` is no longer the current version.
    pub async fn promote(
        &self,
        id: &IntegrationId,
        from: &VersionId,
        to: &VersionId,
    ) -> Result<(), Error> {
        self.move_stage(id, Stage::Current, from, Some(to)).await
    }

    /// Takes the stage off a pending version, so that another rotation can begin.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is.
    pub async fn give_up(&self, id: &IntegrationId, version: &VersionId) -> Result<(), Error> {
        self.move_stage(id, Stage::Pending, version, None).await
    }

    async fn move_stage(
        &self,
        id: &IntegrationId,
        stage: Stage,
        from: &VersionId,
        to: Option<&VersionId>,
    ) -> Result<(), Error> {
        self.client
            .update_secret_version_stage()
            .secret_id(self.name(id))
            .version_stage(stage.as_str())
            .remove_from_version_id(from.as_str())
            .set_move_to_version_id(to.map(VersionId::to_string))
            .send()
            .await
            .map(drop)
            .map_err(|e| Error::sdk("secretsmanager", "UpdateSecretVersionStage", &e))
    }
}
