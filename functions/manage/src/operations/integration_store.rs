//! Storing and forgetting an integration. Its fields are in DynamoDB and its credential in Secrets Manager, and others
//! may change either at the same time:
//!
//! ```text
//!  new       put, where there is none ──> credential ──> claim; else as renewed
//!  replaced  claim ──> credential ──> put, where it is still claimed; again, where only its status changed meanwhile
//!  renewed   claim ──> credential ──> its description, where it is still claimed; else all of it again
//!  deleted   pause ──> connections ──> credential ──> delete, where nobody has claimed it; else both again
//! ```
//!
//! So a credential and its description stay together, and nothing stays of what is deleted, whoever comes between.

use std::time::{Duration, Instant};

use edge::problem::{Code, Problem};
use vault::client_credentials::NewCredential;
use vault::client_credentials::rotation::VersionId;
use vault::ids::IntegrationId;
use vault::integrations::{CredentialDescription, Integration, Status};

use super::integrations::IntegrationOperations;
use crate::operations::integration_fields::Checked;

/// How long one request goes on deleting connections before it asks to be repeated.
const DELETING_FOR: Duration = Duration::from_secs(15);
/// How often what others change meanwhile is looked at again.
const TRIES: usize = 5;

/// Whether an integration was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It was not.
    New,
    /// It was.
    Replaced,
}

/// Somebody else was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overtaken {
    /// Nothing of it is there.
    BeforeAnything,
    /// The credential is stored, with its description; no other field is.
    AfterCredential,
}

/// What became of a credential.
enum Described {
    /// It is the current one, and the integration describes it.
    Ours(Integration),
    /// Another one has taken its place since, and whoever stored that describes it.
    Theirs(Integration),
    /// There is no such integration, or no more, and nothing is left of the credential.
    Gone,
}

impl Described {
    /// The integration as it is then.
    fn integration(self) -> Option<Integration> {
        match self {
            Self::Ours(integration) | Self::Theirs(integration) => Some(integration),
            Self::Gone => None,
        }
    }
}

impl IntegrationOperations {
    /// Creates or replaces an integration, and its credential if one is given.
    pub(crate) async fn store_integration(
        &self,
        id: &IntegrationId,
        mut checked: Checked,
    ) -> Result<(Stored, Integration), Problem> {
        for _ in 0..TRIES {
            match self.integrations.get(id).await? {
                None => {
                    if let Some(integration) = self.store_new(id, &checked).await? {
                        return Ok((Stored::New, integration));
                    }
                }
                Some(seen) => match self.store_over(seen, &checked).await? {
                    Ok(integration) => return Ok((Stored::Replaced, integration)),
                    // Stored once more, it would take the place of the former one, which calls fall back on.
                    Err(Overtaken::AfterCredential) => checked.credential = None,
                    Err(Overtaken::BeforeAnything) => {}
                },
            }
        }
        Err(others_keep_changing_it())
    }

    /// Stores an integration where there is none. `None` if there is one.
    pub(crate) async fn store_new(
        &self,
        id: &IntegrationId,
        checked: &Checked,
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
                // Nothing is left that looks as if it could be used; if not even that succeeds, `verify` tells.
                self.integrations.delete(&integration).await?;
                return Err(error.into());
            }
        };
        if let Some(integration) = self.integrations.claim(&integration, self.clock.now()).await? {
            return Ok(Some(integration));
        }
        // Changed or deleted already, by somebody who may have met it without its credential.
        Ok(self.described(id, given, Some(version)).await?.integration())
    }

    /// Stores an integration in the place of `seen`, which was just read, and its credential if one is given; unless
    /// somebody else changes or deletes it meanwhile.
    pub(crate) async fn store_over(
        &self,
        mut seen: Integration,
        checked: &Checked,
    ) -> Result<Result<Integration, Overtaken>, Problem> {
        let mut version = None;
        if let Some((credential, _)) = &checked.credential {
            let Some(claimed) = self.integrations.claim(&seen, self.clock.now()).await? else {
                return Ok(Err(Overtaken::BeforeAnything));
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
                return Ok(Ok(integration));
            }
            match self.integrations.get(&seen.id).await? {
                // Paused, resumed, or its credential was refused or accepted: nothing that is stored here.
                Some(there) if there.updated_at == seen.updated_at => seen = there,
                _ => return Ok(Err(self.overtaken(&seen.id, checked, version).await?)),
            }
        }
        Err(others_keep_changing_it())
    }

    async fn overtaken(
        &self,
        id: &IntegrationId,
        checked: &Checked,
        version: Option<VersionId>,
    ) -> Result<Overtaken, Problem> {
        let Some(given) = &checked.credential else { return Ok(Overtaken::BeforeAnything) };
        Ok(match self.described(id, given, version).await? {
            Described::Ours(_) => Overtaken::AfterCredential,
            // As if they had come after all of ours.
            Described::Theirs(_) | Described::Gone => Overtaken::BeforeAnything,
        })
    }

    /// Stores a credential and nothing else of an integration. `None` if there is no such integration, or no more.
    pub(crate) async fn store_credential(
        &self,
        id: &IntegrationId,
        given: &(NewCredential, CredentialDescription),
    ) -> Result<Option<Integration>, Problem> {
        Ok(self.described(id, given, None).await?.integration())
    }

    /// Describes a credential in its integration, and stores it before, unless it is stored already as `version`.
    async fn described(
        &self,
        id: &IntegrationId,
        (credential, description): &(NewCredential, CredentialDescription),
        mut version: Option<VersionId>,
    ) -> Result<Described, Problem> {
        for _ in 0..TRIES {
            let Some(seen) = self.integrations.get(id).await? else {
                // Whoever deleted it may have done so before the credential was stored.
                self.credentials.delete(id).await?;
                if self.integrations.get(id).await?.is_none() {
                    return Ok(Described::Gone);
                }
                // Made anew meanwhile, it may be without its credential now.
                version = None;
                continue;
            };
            if let Some(version) = &version
                && !self.credentials.is_current(id, version).await?
            {
                return Ok(Described::Theirs(seen));
            }
            let claimed = self.integrations.claim(&seen, self.clock.now()).await?;
            let Some(claimed) = claimed else { continue };
            if version.is_none() {
                version = Some(self.credentials.put(id, credential).await?);
            }
            let now = self.clock.now();
            if self.integrations.put_credential(&claimed, description, now).await? {
                let integration = self.integrations.get(id).await?;
                return Ok(integration.map_or(Described::Gone, Described::Ours));
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
                // Paused stays paused until somebody says otherwise; a new credential deserves a try.
                (_, Some(Status::Paused)) => Status::Paused,
                (None, Some(status)) => status,
                _ => Status::Ready,
            },
            probed_at: None,
            created_at: seen.map_or(now, |seen| seen.created_at),
            updated_at: now,
        }
    }

    /// Forgets connections, credential and integration, in this order; what a time limit leaves over is
    /// done by repeating the request.
    pub(crate) async fn forget_integration(&self, id: &IntegrationId) -> Result<(), Problem> {
        let deadline = Instant::now() + DELETING_FOR;
        self.integrations.pause(id).await?;
        if !self.connections.delete_of(id, deadline).await? {
            return Err(Problem::new(Code::ServiceUnavailable)
                .detail("The integration is paused and its connections are being deleted; repeat the request to finish.")
                .retry_after(Duration::from_secs(1)));
        }
        for _ in 0..TRIES {
            let Some(seen) = self.integrations.get(id).await? else { return Ok(()) };
            self.credentials.delete(id).await?;
            if self.integrations.delete(&seen).await? {
                return Ok(());
            }
        }
        Err(others_keep_changing_it())
    }
}

fn others_keep_changing_it() -> Problem {
    Problem::new(Code::ServiceUnavailable)
        .detail("Others keep changing this integration; repeat the request.")
        .retry_after(Duration::from_secs(1))
}
