//! The versions of a client secret during a rotation by Secrets Manager.
//!
//! ```text
//!            before      createSecret     finishSecret
//!  AWSCURRENT  one         one              two
//!  AWSPENDING              two
//!  AWSPREVIOUS zero        zero             one        zero is removed from Entra
//! ```
//!
//! The former secret stays in Entra for one rotation more, because it is cached for minutes.
//!
//! Source: "Lambda rotation functions", AWS Secrets Manager user guide.

use entra::credential::ClientCredential;
use entra::graph::Password;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{ClientCredentials, Stored};
use crate::Error;
use crate::ids::IntegrationId;

const WHAT: &str = "client credential";

/// A client secret, as one version of an integration's secret has it.
pub struct ClientSecretVersion {
    /// The version's id: for a rotation, its token.
    pub version_id: String,
    /// The client secret.
    pub credential: ClientCredential,
    /// By which Entra can be asked to remove it; unknown for one that the operator put in.
    pub key_id: Option<Uuid>,
    /// When Entra stops accepting it, as far as Entra said so.
    pub expires_at: Option<jiff::Timestamp>,
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

    /// The version with this stage: `AWSCURRENT`, `AWSPENDING`, `AWSPREVIOUS`. `None` when there is none, or it is no
    /// client secret.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is; [`Error::Corrupt`] for what is not ours.
    pub async fn client_secret_version(
        &self,
        id: &IntegrationId,
        stage: &str,
    ) -> Result<Option<ClientSecretVersion>, Error> {
        let Some((version_id, stored)) = self.stored(id, stage).await? else { return Ok(None) };
        let Stored::ClientSecret { client_secret, key_id, expires_at } = stored else {
            return Ok(None);
        };
        let secret = SecretString::from(client_secret.as_str());
        let credential = ClientCredential::Secret(secret);
        Ok(Some(ClientSecretVersion { version_id, credential, key_id, expires_at }))
    }

    /// Stores a password that Entra made as the version that is pending.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is.
    pub async fn put_pending(
        &self,
        id: &IntegrationId,
        token: &str,
        password: &Password,
    ) -> Result<(), Error> {
        let stored = Stored::ClientSecret {
            client_secret: Zeroizing::new(password.secret.expose_secret().to_owned()),
            key_id: Some(password.key_id),
            expires_at: Some(password.expires_at),
        };
        let text = serde_json::to_string(&stored).map_err(|e| Error::corrupt(WHAT, e))?;
        let text = Zeroizing::new(text);
        self.client
            .put_secret_value()
            .secret_id(self.name(id))
            .client_request_token(token)
            .secret_string(text.as_str())
            .version_stages("AWSPENDING")
            .send()
            .await
            .map(drop)
            .map_err(|e| Error::sdk("secretsmanager", "PutSecretValue", &e))
    }

    /// Makes the pending version the current one; the current one becomes the previous one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is.
    pub async fn promote(&self, id: &IntegrationId, from: &str, to: &str) -> Result<(), Error> {
        self.client
            .update_secret_version_stage()
            .secret_id(self.name(id))
            .version_stage("AWSCURRENT")
            .remove_from_version_id(from)
            .move_to_version_id(to)
            .send()
            .await
            .map(drop)
            .map_err(|e| Error::sdk("secretsmanager", "UpdateSecretVersionStage", &e))
    }
}
