//! Storing and deleting an integration. Its settings are in DynamoDB and its credential in Secrets Manager, and others
//! may change either at the same time:
//!
//! ```text
//!  new       put if there is none ──> credential ──> claim; if that fails, as renewed
//!  replaced  claim ──> credential ──> put if still claimed; again if only the status changed meanwhile
//!  renewed   claim ──> credential ──> its description if still claimed; otherwise all of it again
//!  deleted   pause ──> connections ──> keys, credential ──> delete if not claimed; otherwise these again ──> keys
//! ```
//!
//! Whatever the interleaving, the stored credential matches its description, and a delete leaves nothing behind.

use std::time::{Duration, Instant};

use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use vault::audit::{AuditEvent, What};
use vault::client_credentials::{NewCredential, VersionId};
use vault::ids::IntegrationId;
use vault::integrations::{CredentialDescription, Integration, Status};

use super::integrations::IntegrationOperations;
use crate::operations::integration_fields::Checked;

/// How long one request deletes connections before it has to be repeated.
const DELETING_FOR: Duration = Duration::from_secs(15);
/// Attempts while concurrent changes keep interfering.
const TRIES: usize = 5;

/// How an integration was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// There was none.
    New,
    /// In place of the former one.
    Replaced,
}

/// The outcome of replacing an integration.
pub(crate) enum Replaced {
    /// It is stored as given.
    Stored(Box<Integration>),
    /// The integration was changed or deleted meanwhile, so the settings are not stored.
    Overtaken {
        /// Whether the given credential and its description are stored.
        is_credential_stored: bool,
    },
}

/// The outcome of storing a credential.
enum StoredCredential {
    /// It is the current one, and the integration describes it.
    Current(Integration),
    /// Another one has taken its place since, and its description is the other request's.
    Overtaken(Integration),
    /// There is no such integration any more, and the credential is deleted.
    Deleted,
}

impl StoredCredential {
    /// Returns the integration afterwards.
    fn integration(self) -> Option<Integration> {
        match self {
            Self::Current(integration) | Self::Overtaken(integration) => Some(integration),
            Self::Deleted => None,
        }
    }
}

impl IntegrationOperations {
    /// Creates or replaces an integration, and its credential if one is given.
    pub(crate) async fn store_integration(
        &self,
        id: &IntegrationId,
        mut checked: Checked,
        by: &RequestLog,
    ) -> Result<(Stored, Integration), Problem> {
        for _ in 0..TRIES {
            match self.integrations.get(id).await? {
                None => {
                    if let Some(integration) = self.store_new(id, &checked, by).await? {
                        return Ok((Stored::New, integration));
                    }
                }
                Some(seen) => match self.store_over(seen, &checked, by).await? {
                    Replaced::Stored(integration) => return Ok((Stored::Replaced, *integration)),
                    // Storing it once more would push out the former one, which calls fall back on.
                    Replaced::Overtaken { is_credential_stored: true } => checked.credential = None,
                    Replaced::Overtaken { is_credential_stored: false } => {}
                },
            }
        }
        Err(others_keep_changing_it())
    }

    /// Stores a new integration. Returns `None` if there is one already.
    pub(crate) async fn store_new(
        &self,
        id: &IntegrationId,
        checked: &Checked,
        by: &RequestLog,
    ) -> Result<Option<Integration>, Problem> {
        let Some(given) = &checked.credential else {
            return Err(Problem::field("client_credential", "a new integration needs one"));
        };
        let (credential, description) = given;
        let integration = self.integration_from(None, id, checked, description.clone());
        if !self.integrations.put(integration.clone(), None).await? {
            return Ok(None);
        }
        let version = match self.credentials.put(id, credential).await {
            Ok(version) => version,
            Err(error) => {
                // Remove the unusable integration. If that fails too, `verify` reports the missing credential.
                self.integrations.delete(&integration).await?;
                return Err(error.into());
            }
        };
        self.record(What::IntegrationCreated, id, by).await;
        if let Some(integration) = self.integrations.claim(&integration, self.clock.now()).await? {
            return Ok(Some(integration));
        }
        // Already changed or deleted, perhaps before its credential was there.
        Ok(self.finish_credential(id, given, Some(version)).await?.integration())
    }

    /// Replaces `seen`, which was just read, and its credential if one is given.
    pub(crate) async fn store_over(
        &self,
        seen: Integration,
        checked: &Checked,
        by: &RequestLog,
    ) -> Result<Replaced, Problem> {
        let id = seen.id.clone();
        let replaced = self.replace(seen, checked).await?;
        let is_credential_stored = match &replaced {
            Replaced::Stored(_) => {
                self.record(What::IntegrationChanged, &id, by).await;
                true
            }
            Replaced::Overtaken { is_credential_stored } => *is_credential_stored,
        };
        if let Some((_, description)) = &checked.credential
            && is_credential_stored
        {
            self.record(What::CredentialReplaced { kind: description.kind }, &id, by).await;
        }
        Ok(replaced)
    }

    async fn replace(&self, mut seen: Integration, checked: &Checked) -> Result<Replaced, Problem> {
        let mut version = None;
        if let Some((credential, _)) = &checked.credential {
            let Some(claimed) = self.integrations.claim(&seen, self.clock.now()).await? else {
                return Ok(Replaced::Overtaken { is_credential_stored: false });
            };
            version = Some(self.credentials.put(&claimed.id, credential).await?);
            seen = claimed;
        }
        for _ in 0..TRIES {
            let description = match &checked.credential {
                Some((_, description)) => description.clone(),
                None => seen.credential.clone(),
            };
            let integration = self.integration_from(Some(&seen), &seen.id, checked, description);
            if self.integrations.put(integration.clone(), Some(&seen)).await? {
                return Ok(Replaced::Stored(Box::new(integration)));
            }
            match self.integrations.get(&seen.id).await? {
                // Only the status changed, which is not overwritten.
                Some(there) if there.updated_at == seen.updated_at => seen = there,
                _ => {
                    let is_credential_stored = match &checked.credential {
                        // If another credential has replaced this one, the result is as if the other request had come later.
                        Some(given) => {
                            let stored = self.finish_credential(&seen.id, given, version).await?;
                            matches!(stored, StoredCredential::Current(_))
                        }
                        None => false,
                    };
                    return Ok(Replaced::Overtaken { is_credential_stored });
                }
            }
        }
        Err(others_keep_changing_it())
    }

    /// Stores only a credential. Returns `None` if there is no such integration.
    pub(crate) async fn store_credential(
        &self,
        id: &IntegrationId,
        given: &(NewCredential, CredentialDescription),
        by: &RequestLog,
    ) -> Result<Option<Integration>, Problem> {
        let stored = self.finish_credential(id, given, None).await?.integration();
        if stored.is_some() {
            self.record(What::CredentialReplaced { kind: given.1.kind }, id, by).await;
        }
        Ok(stored)
    }

    /// Stores a credential, unless it is stored already as `version`, and its description in the integration.
    async fn finish_credential(
        &self,
        id: &IntegrationId,
        (credential, description): &(NewCredential, CredentialDescription),
        mut version: Option<VersionId>,
    ) -> Result<StoredCredential, Problem> {
        for _ in 0..TRIES {
            let Some(seen) = self.integrations.get(id).await? else {
                // The integration may have been deleted before the credential was stored.
                self.credentials.delete(id).await?;
                if self.integrations.get(id).await?.is_none() {
                    return Ok(StoredCredential::Deleted);
                }
                // Created again meanwhile, and the delete above may have taken its credential.
                version = None;
                continue;
            };
            if let Some(version) = &version
                && !self.credentials.is_current(id, version).await?
            {
                return Ok(StoredCredential::Overtaken(seen));
            }
            let claimed = self.integrations.claim(&seen, self.clock.now()).await?;
            let Some(claimed) = claimed else { continue };
            if version.is_none() {
                version = Some(self.credentials.put(id, credential).await?);
            }
            let now = self.clock.now();
            if self.integrations.put_credential(&claimed, description, now).await? {
                let integration = self.integrations.get(id).await?;
                return Ok(integration.map_or(StoredCredential::Deleted, StoredCredential::Current));
            }
        }
        Err(others_keep_changing_it())
    }

    fn integration_from(
        &self,
        seen: Option<&Integration>,
        id: &IntegrationId,
        checked: &Checked,
        credential: CredentialDescription,
    ) -> Integration {
        let now = self.clock.now();
        Integration {
            id: id.clone(),
            settings: checked.settings.clone(),
            credential,
            status: match (&checked.credential, seen.map(|seen| seen.status)) {
                // Only resuming ends a pause. A new credential is tried.
                (_, Some(Status::Paused)) => Status::Paused,
                (None, Some(status)) => status,
                _ => Status::Ready,
            },
            probed_at: None,
            created_at: seen.map_or(now, |seen| seen.created_at),
            updated_at: now,
        }
    }

    /// Deletes connections, bound keys, credential and integration, in this order. After the time limit, repeating the
    /// request goes on.
    pub(crate) async fn delete_integration(
        &self,
        id: &IntegrationId,
        by: &RequestLog,
    ) -> Result<(), Problem> {
        let deadline = Instant::now() + DELETING_FOR;
        self.integrations.pause(id).await?;
        if !self.connections.delete_of(id, deadline, by).await? {
            return Err(Problem::new(Code::ServiceUnavailable)
                .detail("The integration is paused and its connections are being deleted; repeat the request to finish.")
                .retry_after(Duration::from_secs(1)));
        }
        for _ in 0..TRIES {
            let Some(seen) = self.integrations.get(id).await? else { return Ok(()) };
            self.delete_keys_of(id, by).await?;
            self.credentials.delete(id).await?;
            if self.integrations.delete(&seen).await? {
                // Keys that were created meanwhile. Without the integration there can be no more.
                self.delete_keys_of(id, by).await?;
                self.record(What::IntegrationDeleted, id, by).await;
                return Ok(());
            }
        }
        Err(others_keep_changing_it())
    }

    /// Deletes the keys that are bound to an integration, with immediate effect.
    async fn delete_keys_of(&self, id: &IntegrationId, by: &RequestLog) -> Result<(), Problem> {
        for key in self.api_keys.list_of(id).await? {
            if self.api_keys.delete(&key.id).await? {
                let event = AuditEvent::of_key(What::ApiKeyDeleted, &key.id);
                self.audit.record(&by.actor(), &event).await;
            }
        }
        Ok(())
    }
}

fn others_keep_changing_it() -> Problem {
    Problem::new(Code::ServiceUnavailable)
        .detail("Others keep changing this integration; repeat the request.")
        .retry_after(Duration::from_secs(1))
}
