//! Client credentials in Secrets Manager, cached for five minutes.
//!
//! A secret has two usable versions after a rotation: `AWSCURRENT` and `AWSPREVIOUS`. When Entra answers
//! `invalid_client`, [`ClientCredentials::with_live`] reads both again and tries them, newest first.

pub mod rotation;
mod versions;

pub use versions::{Made, Stage, VersionId};

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::delete_secret::DeleteSecretError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use entra::credential::{CertificateCredential, ClientCredential, CredentialError};
use entra::token::TokenError;
use ground::clock::Clock;
use ground::remembered::{AskError, Remembered};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::Error;
use crate::federation::Federation;
use crate::ids::IntegrationId;

const WHAT: &str = "client credential";

/// Operators are warned this long before a credential expires.
pub const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a credential is used before Secrets Manager is asked again.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);
/// How long a cached credential may be used while Secrets Manager does not answer.
const USABLE_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long Secrets Manager may take to delete a secret after it has answered.
const DELETED_WITHIN: Duration = Duration::from_secs(5);
/// The pause between attempts to store a secret that is being deleted.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// A client credential as the operator entered it.
#[derive(Clone)]
pub enum NewCredential {
    /// A client secret's value.
    ClientSecret(SecretString),
    /// A certificate and its private key, both PEM.
    Certificate {
        /// The X.509 certificate that is registered in Entra.
        certificate_pem: String,
        /// Its PKCS #8 or PKCS #1 private key.
        private_key_pem: SecretString,
    },
    /// A token from AWS, fetched at each use.
    Federated,
}

impl NewCredential {
    /// The credential ready for use, or `None` if it is fetched at each use.
    ///
    /// # Errors
    /// [`CredentialError`] when a PEM is unreadable or the key does not match the certificate.
    pub fn parse(&self) -> Result<Option<ClientCredential>, CredentialError> {
        match self {
            Self::ClientSecret(secret) => Ok(Some(ClientCredential::Secret(secret.clone()))),
            Self::Certificate { certificate_pem, private_key_pem } => {
                CertificateCredential::from_pem(certificate_pem, private_key_pem)
                    .map(|certificate| Some(ClientCredential::Certificate(certificate)))
            }
            Self::Federated => Ok(None),
        }
    }
}

/// Why a credential could not be used.
#[derive(Debug)]
pub enum CredentialUseError {
    /// The integration has none.
    Missing,
    /// It could not be read.
    Vault(Error),
    /// Entra refused the request; if because of the credential, then with every live version of it. This is the refusal of
    /// the newest one.
    Entra(TokenError),
}

/// The secret's JSON in Secrets Manager.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Stored {
    ClientSecret {
        #[serde(serialize_with = "exposed")]
        client_secret: SecretString,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made: Option<Made>,
    },
    Certificate {
        certificate_pem: String,
        #[serde(serialize_with = "exposed")]
        private_key_pem: SecretString,
    },
    Federated {},
}

impl From<Stored> for NewCredential {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::ClientSecret { client_secret, .. } => Self::ClientSecret(client_secret),
            Stored::Certificate { certificate_pem, private_key_pem } => {
                Self::Certificate { certificate_pem, private_key_pem }
            }
            Stored::Federated {} => Self::Federated,
        }
    }
}

impl From<&NewCredential> for Stored {
    fn from(credential: &NewCredential) -> Self {
        match credential.clone() {
            NewCredential::ClientSecret(client_secret) => {
                Self::ClientSecret { client_secret, made: None }
            }
            NewCredential::Certificate { certificate_pem, private_key_pem } => {
                Self::Certificate { certificate_pem, private_key_pem }
            }
            NewCredential::Federated => Self::Federated {},
        }
    }
}

impl Stored {
    fn json(&self) -> Result<Zeroizing<String>, Error> {
        serde_json::to_string(self).map(Zeroizing::new).map_err(|e| Error::corrupt(WHAT, e))
    }
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

#[derive(Clone)]
enum Cached {
    Credential(Arc<ClientCredential>),
    /// It is fetched at each use.
    Federated,
}

/// Reads and writes client credentials.
#[derive(Clone)]
pub struct ClientCredentials {
    client: Client,
    prefix: String,
    federation: Option<Federation>,
    remembered: Remembered<IntegrationId, Cached>,
}

impl ClientCredentials {
    /// Credentials in secrets named `{prefix}integrations/{integration}`.
    pub fn new(
        client: Client,
        prefix: String,
        federation: Option<Federation>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let remembered =
            Remembered::new(clock, FRESH_FOR).or_stale(USABLE_FOR, SignedDuration::ZERO);
        Self { client, prefix, federation, remembered }
    }

    /// The audience of the tokens from AWS, if this deployment has federated credentials.
    pub fn federated_audience(&self) -> Option<&'static str> {
        self.federation.as_ref().map(|federation| federation.audience)
    }

    /// Stores a credential as a new version, which it returns; the former one becomes `AWSPREVIOUS`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is; [`Error::Contended`] if the secret is still
    /// being deleted after five seconds.
    pub async fn put(
        &self,
        id: &IntegrationId,
        credential: &NewCredential,
    ) -> Result<VersionId, Error> {
        let value = Stored::from(credential).json()?;
        let stored = self.create_or_replace(id, &value).await;
        // Even a failed call may have stored it.
        self.remembered.forget(id).await;
        stored
    }

    async fn create_or_replace(&self, id: &IntegrationId, value: &str) -> Result<VersionId, Error> {
        let give_up_at = Instant::now() + DELETED_WITHIN;
        loop {
            if let Some(version) = self.create(id, value).await? {
                return Ok(version);
            }
            if let Some(version) = self.replace(id, value).await? {
                return Ok(version);
            }
            if Instant::now() > give_up_at {
                return Err(Error::Contended { what: WHAT });
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    /// Whether this version is `AWSCURRENT`.
    ///
    /// # Errors
    /// As [`Self::get`], but nothing comes from the cache.
    pub async fn is_current(&self, id: &IntegrationId, version: &VersionId) -> Result<bool, Error> {
        let current = self.stored(id, Stage::Current).await?;
        Ok(current.is_some_and(|(current, _)| current == *version))
    }

    /// `None` if the secret exists or is being deleted.
    async fn create(&self, id: &IntegrationId, value: &str) -> Result<Option<VersionId>, Error> {
        let created = self
            .client
            .create_secret()
            .name(self.name(id))
            .description("ado-connect: client credential of an integration")
            .secret_string(value)
            .send()
            .await;
        match created {
            Ok(created) => Ok(Some(VersionId::new(created.version_id.unwrap_or_default()))),
            Err(e)
                if e.as_service_error().is_some_and(|e| {
                    e.is_resource_exists_exception() || e.is_invalid_request_exception()
                }) =>
            {
                Ok(None)
            }
            Err(e) => Err(Error::sdk("secretsmanager", "CreateSecret", &e)),
        }
    }

    /// `None` if the secret does not exist or is being deleted.
    async fn replace(&self, id: &IntegrationId, value: &str) -> Result<Option<VersionId>, Error> {
        let put = self.client.put_secret_value().secret_id(self.name(id)).secret_string(value);
        match put.send().await {
            Ok(put) => Ok(Some(VersionId::new(put.version_id.unwrap_or_default()))),
            Err(e)
                if e.as_service_error().is_some_and(|e| {
                    e.is_resource_not_found_exception() || e.is_invalid_request_exception()
                }) =>
            {
                Ok(None)
            }
            Err(e) => Err(Error::sdk("secretsmanager", "PutSecretValue", &e)),
        }
    }

    /// Deletes the secret at once, with all its versions.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Secrets Manager is.
    pub async fn delete(&self, id: &IntegrationId) -> Result<(), Error> {
        self.remembered.forget(id).await;
        let outcome = self
            .client
            .delete_secret()
            .secret_id(self.name(id))
            .force_delete_without_recovery(true)
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(()),
            Err(e)
                if e.as_service_error()
                    .is_some_and(DeleteSecretError::is_resource_not_found_exception) =>
            {
                Ok(())
            }
            Err(e) => Err(Error::sdk("secretsmanager", "DeleteSecret", &e)),
        }
    }

    /// The credential to use, at most five minutes old (24 hours while Secrets Manager is down).
    /// `None` when the integration has no secret.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when nothing is cached and Secrets Manager does not answer;
    /// [`Error::Corrupt`] for a secret that is not a credential.
    pub async fn get(&self, id: &IntegrationId) -> Result<Option<Arc<ClientCredential>>, Error> {
        match self.cached(id).await {
            Ok(cached) => self.ready(cached).await.map(Some),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// The credential that was stored last, read from Secrets Manager and never from the cache. `None` when the
    /// integration has no secret.
    ///
    /// # Errors
    /// As [`Self::get`], but nothing comes from the cache.
    pub async fn newest(&self, id: &IntegrationId) -> Result<Option<Arc<ClientCredential>>, Error> {
        match self.read(id, Stage::Current).await? {
            Some(cached) => self.ready(cached).await.map(Some),
            None => Ok(None),
        }
    }

    /// The cached credential. The error is `None` if the integration has no secret.
    async fn cached(&self, id: &IntegrationId) -> Result<Cached, Option<Error>> {
        let read = || async {
            match self.read(id, Stage::Current).await {
                Ok(Some(cached)) => Ok(cached),
                Ok(None) => Err(AskError::Final(None)),
                Err(error @ Error::Unavailable { .. }) => Err(AskError::Unavailable(Some(error))),
                Err(error) => Err(AskError::Final(Some(error))),
            }
        };
        self.remembered.get(id, read).await
    }

    /// The credential itself, fetched if it is federated.
    async fn ready(&self, cached: Cached) -> Result<Arc<ClientCredential>, Error> {
        match (cached, &self.federation) {
            (Cached::Credential(credential), _) => Ok(credential),
            (Cached::Federated, Some(federation)) => {
                federation.assertion().await.map(ClientCredential::Assertion).map(Arc::new)
            }
            (Cached::Federated, None) => Err(Error::corrupt(
                WHAT,
                "it is federated, and this deployment has no role for that",
            )),
        }
    }

    /// Asks Entra with the credential. If Entra refuses it, it may have been rotated: reads it again, once, and tries
    /// each live version, newest first.
    ///
    /// # Errors
    /// [`CredentialUseError`] when no version can be used, or Entra refuses for another reason. If it refuses each version,
    /// the error is that of the newest.
    pub async fn with_live<T, F, Asked>(
        &self,
        id: &IntegrationId,
        ask: F,
    ) -> Result<T, CredentialUseError>
    where
        F: Fn(Arc<ClientCredential>) -> Asked + Send,
        Asked: Future<Output = Result<T, TokenError>> + Send,
    {
        let credential = self
            .get(id)
            .await
            .map_err(CredentialUseError::Vault)?
            .ok_or(CredentialUseError::Missing)?;
        let refused = match ask(Arc::clone(&credential)).await {
            Err(error) if error.may_be_about_the_credential() => error,
            answer => return answer.map_err(CredentialUseError::Entra),
        };
        // The refusal to report: somebody may have replaced the cached credential.
        let mut newest = None;
        for cached in self.reread(id).await.map_err(CredentialUseError::Vault)? {
            let version = self.ready(cached.clone()).await.map_err(CredentialUseError::Vault)?;
            if version.is_same_as(&credential) {
                newest.get_or_insert_with(|| refused.clone());
                continue;
            }
            match ask(version).await {
                Err(error) if error.may_be_about_the_credential() => {
                    newest.get_or_insert(error);
                }
                Err(error) => return Err(CredentialUseError::Entra(error)),
                Ok(answer) => {
                    tracing::warn!(integration = %id, "Entra refuses the cached credential and accepts another version of it");
                    // The next call tries this version first.
                    self.remembered.put(id, cached).await;
                    return Ok(answer);
                }
            }
        }
        Err(CredentialUseError::Entra(newest.unwrap_or(refused)))
    }

    /// Both live versions, newest first, read from Secrets Manager after Entra refused the cached one.
    ///
    /// # Errors
    /// As [`Self::get`], but nothing comes from the cache.
    async fn reread(&self, id: &IntegrationId) -> Result<Vec<Cached>, Error> {
        self.remembered.forget(id).await;
        let mut versions = Vec::with_capacity(2);
        for stage in [Stage::Current, Stage::Previous] {
            versions.extend(self.read(id, stage).await?);
        }
        Ok(versions)
    }

    async fn read(&self, id: &IntegrationId, stage: Stage) -> Result<Option<Cached>, Error> {
        let Some((_, stored)) = self.stored(id, stage).await? else { return Ok(None) };
        let parsed = NewCredential::from(stored).parse().map_err(|e| Error::corrupt(WHAT, e))?;
        Ok(Some(parsed.map_or(Cached::Federated, |one| Cached::Credential(Arc::new(one)))))
    }

    /// The version with this stage, and its id; `None` if there is none or it has no value yet.
    async fn stored(
        &self,
        id: &IntegrationId,
        stage: Stage,
    ) -> Result<Option<(VersionId, Stored)>, Error> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(self.name(id))
            .version_stage(stage.as_str())
            .send()
            .await;
        let (version_id, text) = match answer {
            Ok(answer) => {
                let Some(text) = answer.secret_string.map(Zeroizing::new) else { return Ok(None) };
                (VersionId::new(answer.version_id.unwrap_or_default()), text)
            }
            Err(e)
                if e.as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(Error::sdk("secretsmanager", "GetSecretValue", &e)),
        };
        // The parser's message could quote the secret.
        let stored = serde_json::from_str(&text)
            .map_err(|e| Error::corrupt(WHAT, format!("not its JSON, line {}", e.line())))?;
        Ok(Some((version_id, stored)))
    }

    fn name(&self, id: &IntegrationId) -> String {
        format!("{}integrations/{id}", self.prefix)
    }
}
