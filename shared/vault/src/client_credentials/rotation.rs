//! The versions of a client secret during a rotation by Secrets Manager.
//!
//! ```text
//!            before      createSecret     finishSecret
//!  AWSCURRENT  one         one              two
//!  AWSPENDING              two
//!  AWSPREVIOUS zero        zero             one        zero is removed from Entra
//! ```
//!
//! The former secret stays in Entra for one rotation more, because it is cached for minutes. A pending version knows
//! which app it is for and which version it is to replace: if the operator changed either meanwhile, it is given up.
//!
//! Source: "Lambda rotation functions", AWS Secrets Manager user guide.

use std::fmt;

use entra::credential::ClientCredential;
use entra::graph::Password;
use entra::identifiers::ClientId;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{ClientCredentials, Stored};
use crate::Error;
use crate::ids::IntegrationId;

const WHAT: &str = "client credential";

/// The id of a version of a secret; for one that a rotation makes, the rotation's `ClientRequestToken`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(String);

impl VersionId {
    /// As Secrets Manager says it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What Secrets Manager calls the versions that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The one in use.
    Current,
    /// The one that a rotation is making.
    Pending,
    /// The one that was in use before.
    Previous,
}

impl Stage {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationState {
    /// The version is pending.
    Pending,
    /// The version is the current one: the rotation has come to its end.
    Finished,
    /// Secrets Manager knows of no such rotation, or has begun another one since.
    Unknown,
}

/// What is known of a client secret that a rotation made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// By which Entra can be asked to remove it.
    pub key_id: Uuid,
    /// When Entra stops accepting it.
    pub expires_at: Timestamp,
    /// The app whose secret it is.
    pub client_id: ClientId,
    /// The version that it is to replace.
    pub replaces: VersionId,
}

/// A client secret, as one version of an integration's secret has it.
pub struct ClientSecretVersion {
    /// The version's id.
    pub version_id: VersionId,
    /// The client secret.
    pub credential: ClientCredential,
    /// Unknown of one that the operator put in.
    pub made: Option<Made>,
}

impl ClientSecretVersion {
    /// By which Entra can be asked to remove it.
    pub fn key_id(&self) -> Option<Uuid> {
        self.made.as_ref().map(|made| made.key_id)
    }
}

impl ClientCredentials {
    /// The integration whose secret this is, by its ARN or its name.
    pub fn integration_of(&self, secret_id: &str) -> Option<IntegrationId> {
        let name = match secret_id.split_once(":secret:") {
            // An ARN ends in six characters of its own.
            Some((_, name)) => name.rsplit_once('-')?.0,
            None => secret_id,
        };
        name.strip_prefix(&self.prefix)?.strip_prefix("integrations/")?.parse().ok()
    }

    /// How far the rotation has come that makes this version.
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

    /// The version with this stage. `None` when there is none, it has no value yet, or it is no client secret.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is; [`Error::Corrupt`] for what is not ours.
    pub async fn client_secret_version(
        &self,
        id: &IntegrationId,
        stage: Stage,
    ) -> Result<Option<ClientSecretVersion>, Error> {
        let Some((version_id, stored)) = self.stored(id, stage).await? else { return Ok(None) };
        let Stored::ClientSecret { client_secret, made } = stored else { return Ok(None) };
        let secret = SecretString::from(client_secret.as_str());
        let credential = ClientCredential::Secret(secret);
        Ok(Some(ClientSecretVersion { version_id, credential, made }))
    }

    /// Stores a password that Entra made for `client_id` as the pending version, which is to replace another.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is; whether it was stored is not known then.
    pub async fn put_pending(
        &self,
        id: &IntegrationId,
        version: &VersionId,
        password: &Password,
        client_id: &ClientId,
        replaces: &VersionId,
    ) -> Result<(), Error> {
        let stored = Stored::ClientSecret {
            client_secret: Zeroizing::new(password.secret.expose_secret().to_owned()),
            made: Some(Made {
                key_id: password.key_id,
                expires_at: password.expires_at,
                client_id: client_id.clone(),
                replaces: replaces.clone(),
            }),
        };
        let text = serde_json::to_string(&stored).map_err(|e| Error::corrupt(WHAT, e))?;
        let text = Zeroizing::new(text);
        self.client
            .put_secret_value()
            .secret_id(self.name(id))
            .client_request_token(version.as_str())
            .secret_string(text.as_str())
            .version_stages(Stage::Pending.as_str())
            .send()
            .await
            .map(drop)
            .map_err(|e| Error::sdk("secretsmanager", "PutSecretValue", &e))
    }

    /// Makes the pending version the current one; the current one becomes the previous one. Fails when `from` is not the
    /// current one any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is.
    pub async fn promote(
        &self,
        id: &IntegrationId,
        from: &VersionId,
        to: &VersionId,
    ) -> Result<(), Error> {
        self.client
            .update_secret_version_stage()
            .secret_id(self.name(id))
            .version_stage(Stage::Current.as_str())
            .remove_from_version_id(from.as_str())
            .move_to_version_id(to.as_str())
            .send()
            .await
            .map(drop)
            .map_err(|e| Error::sdk("secretsmanager", "UpdateSecretVersionStage", &e))
    }

    /// Lets a pending version go, so that another rotation can begin.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is.
    pub async fn give_up(&self, id: &IntegrationId, version: &VersionId) -> Result<(), Error> {
        self.client
            .update_secret_version_stage()
            .secret_id(self.name(id))
            .version_stage(Stage::Pending.as_str())
            .remove_from_version_id(version.as_str())
            .send()
            .await
            .map(drop)
            .map_err(|e| Error::sdk("secretsmanager", "UpdateSecretVersionStage", &e))
    }
}
