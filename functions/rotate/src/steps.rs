//! The steps of a rotation.

use std::time::Duration;

use entra::credential::ClientCredential;
use entra::graph::{GraphError, ListedPassword};
use entra::metadata::MetadataError;
use entra::token::{ClientCredentialsRequest, TokenError};
use ground::bearer_token::BearerToken;
use jiff::SignedDuration;
use tokio::time::Instant;
use vault::audit::{Actor, AuditEvent, What};
use vault::client_credentials::rotation::{ClientSecretVersion, RotationState};
use vault::client_credentials::{Stage, VersionId};
use vault::ids::IntegrationId;
use vault::integrations::{CredentialKind, Integration};

use crate::Rotate;
use crate::event::RotationEvent;

/// A new password reaches Entra's servers one after the other.
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
/// The time for one attempt. An attempt starts only if this much is left of the function's time.
const ONE_TRY: Duration = Duration::from_secs(15);
/// The longest time for which a replaced client secret may still be in use: twice its cache lifetime.
const SETTLES_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Attempts while concurrent changes keep interfering.
const TRIES: usize = 5;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    #[error("this is not the secret of an integration")]
    NotOurs,
    #[error("the integration has no client secret to renew")]
    NoClientSecret,
    #[error("Secrets Manager has begun no such rotation")]
    NotBegun,
    #[error("there is no pending version yet")]
    NotPending,
    /// Since the rotation began, the operator has set another app or another client secret, or has removed the new one
    /// from Entra.
    #[error(
        "the client secret was changed by somebody else; this rotation was given up, begin another"
    )]
    GivenUp,
    #[error("Entra's metadata: {0}")]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

pub(crate) struct Rotation {
    pub(crate) integration: Integration,
    version: VersionId,
    is_finished: bool,
    current: ClientSecretVersion,
    /// The description of its passwords in Entra. It distinguishes them from all others.
    name: String,
}

impl Rotate {
    pub(crate) async fn begin(&self, event: &RotationEvent) -> Result<Rotation, RotationError> {
        let id = self.credentials.integration_of(&event.secret_id).ok_or(RotationError::NotOurs)?;
        let integration = self.integrations.get(&id).await?.ok_or(RotationError::NotOurs)?;
        let version = VersionId::new(&event.client_request_token);
        let is_finished = match self.credentials.rotation_state(&id, &version).await? {
            RotationState::Pending => false,
            RotationState::Finished => true,
            RotationState::Unknown => return Err(RotationError::NotBegun),
        };
        let current = self.credentials.client_secret_version(&id, Stage::Current).await?;
        let current = current.ok_or(RotationError::NoClientSecret)?;
        // The last characters of an ARN are random, so another stack's secret of the same name has a different suffix.
        let suffix = event.secret_id.rsplit('-').next().unwrap_or_default();
        let name = format!("ado-connect {id} {suffix}");
        Ok(Rotation { integration, version, is_finished, current, name })
    }

    /// Adds a password in Entra, unless an earlier attempt did.
    pub(crate) async fn create(&self, rotation: &Rotation) -> Result<(), RotationError> {
        if rotation.is_finished {
            return Ok(());
        }
        let integration = &rotation.integration;
        let client_id = &integration.settings.client_id;
        let token = self.graph_token(rotation, &rotation.current.credential).await?;
        let listed = self.graph.passwords(&token, client_id).await?;
        if let Some(pending) = self.pending(rotation).await? {
            let is_known = listed.iter().any(|known| Some(known.key_id) == pending.key_id());
            return if is_known { Ok(()) } else { self.give_up(rotation).await };
        }
        let previous =
            self.credentials.client_secret_version(&integration.id, Stage::Previous).await?;
        self.remove_leftovers(rotation, &token, &listed, &rotation.current, previous.as_ref())
            .await;
        let expires_at = self.clock.now() + self.valid_for;
        let password =
            self.graph.add_password(&token, client_id, &rotation.name, expires_at).await?;
        // If storing fails, nobody has this password, and the next rotation removes it.
        let replaces = &rotation.current.version_id;
        self.credentials
            .put_pending(&integration.id, &rotation.version, &password, client_id, replaces)
            .await?;
        Ok(())
    }

    /// Signs in with the pending secret, and retries while Entra's servers replicate a new one.
    pub(crate) async fn test(
        &self,
        rotation: &Rotation,
        deadline: Instant,
    ) -> Result<(), RotationError> {
        if rotation.is_finished {
            return Ok(());
        }
        let pending = self.pending(rotation).await?.ok_or(RotationError::NotPending)?;
        loop {
            match self.graph_token(rotation, &pending.credential).await {
                Ok(_) => return Ok(()),
                Err(RotationError::Token(error))
                    if error.may_be_about_the_credential()
                        && Instant::now() + BETWEEN_TRIES + ONE_TRY < deadline =>
                {
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Promotes the pending secret to the current one, and removes all older ones but its predecessor from Entra.
    pub(crate) async fn finish(&self, rotation: &Rotation) -> Result<(), RotationError> {
        let integration = &rotation.integration;
        let id = &integration.id;
        if !rotation.is_finished {
            self.pending(rotation).await?.ok_or(RotationError::NotPending)?;
            let from = &rotation.current.version_id;
            self.credentials.promote(id, from, &rotation.version).await?;
        }
        let current = self.described(id).await?;
        let previous = self.credentials.client_secret_version(id, Stage::Previous).await?;
        if let Err(error) = self.tidy(rotation, &current, previous.as_ref()).await {
            tracing::warn!("former client secrets stay in Entra until the next rotation: {error}");
        }
        Ok(())
    }

    /// Records the current version in the integration, and returns it.
    ///
    /// Whoever stores another credential bumps `updated_at` first. So: read the integration, then the secret; describe
    /// it only if `updated_at` is unchanged, else read both again.
    async fn described(&self, id: &IntegrationId) -> Result<ClientSecretVersion, RotationError> {
        for _ in 0..TRIES {
            let seen = self.integrations.get(id).await?.ok_or(RotationError::NotOurs)?;
            let current = self.credentials.client_secret_version(id, Stage::Current).await?;
            let current = current.ok_or(RotationError::NoClientSecret)?;
            let Some(made) = &current.made else { return Ok(current) };
            let (client_id, expires_at) = (&made.client_id, made.expires_at);
            let now = self.clock.now();
            if self.integrations.renew_client_secret(&seen, client_id, expires_at, now).await? {
                let what = What::CredentialReplaced { kind: CredentialKind::ClientSecret };
                let event = AuditEvent::of_integration(what, id);
                self.audit.record(&Actor::service("rotate"), &event).await;
                return Ok(current);
            }
            let there = self.integrations.get(id).await?;
            if there.is_some_and(|there| there.updated_at == seen.updated_at) {
                // Already described, or the secret belongs to another app.
                return Ok(current);
            }
        }
        // Secrets Manager retries a step that fails.
        Err(vault::Error::Contended { what: "integration" }.into())
    }

    async fn tidy(
        &self,
        rotation: &Rotation,
        current: &ClientSecretVersion,
        previous: Option<&ClientSecretVersion>,
    ) -> Result<(), RotationError> {
        // The former secret has reached all of Entra's servers.
        let signs_in = previous.unwrap_or(current);
        let token = self.graph_token(rotation, &signs_in.credential).await?;
        let listed = self.graph.passwords(&token, &rotation.integration.settings.client_id).await?;
        self.remove_leftovers(rotation, &token, &listed, current, previous).await;
        Ok(())
    }

    /// Removes the passwords of earlier rotations except `current` and `previous`: older ones, and those that could not
    /// be stored. If a removal fails, the next rotation retries it.
    async fn remove_leftovers(
        &self,
        rotation: &Rotation,
        token: &BearerToken,
        listed: &[ListedPassword],
        current: &ClientSecretVersion,
        previous: Option<&ClientSecretVersion>,
    ) {
        let settled = self.clock.now() - SETTLES_WITHIN;
        let kept = [current.key_id(), previous.and_then(ClientSecretVersion::key_id)];
        let is_kept = |password: &ListedPassword| kept.contains(&Some(password.key_id));
        // If the former secret is young, its predecessor may still be cached; an unknown recent password may belong to
        // a rotation that is still running.
        let is_young = |password: &ListedPassword| password.start_date_time > settled;
        let former = |password: &&ListedPassword| Some(password.key_id) == kept[1];
        if listed.iter().find(former).is_some_and(is_young) {
            return;
        }
        let own = listed.iter().filter(|one| one.display_name.as_deref() == Some(&rotation.name));
        for leftover in own.filter(|one| !is_kept(one) && !is_young(one)) {
            let (client_id, key_id) = (&rotation.integration.settings.client_id, leftover.key_id);
            match self.graph.remove_password(token, client_id, key_id).await {
                Ok(()) => tracing::info!(%key_id, "a former client secret was removed from Entra"),
                Err(error) => {
                    tracing::warn!(%key_id, "a former client secret stays in Entra: {error}");
                }
            }
        }
    }

    /// Returns the pending version if it has a value, and gives it up if it no longer fits.
    async fn pending(
        &self,
        rotation: &Rotation,
    ) -> Result<Option<ClientSecretVersion>, RotationError> {
        let id = &rotation.integration.id;
        let pending = self.credentials.client_secret_version(id, Stage::Pending).await?;
        let Some(pending) = pending.filter(|version| version.version_id == rotation.version) else {
            return Ok(None);
        };
        let fits = pending.made.as_ref().is_some_and(|made| {
            made.client_id == rotation.integration.settings.client_id
                && made.replaces == rotation.current.version_id
        });
        if !fits {
            self.give_up(rotation).await?;
        }
        Ok(Some(pending))
    }

    /// Releases the pending version, without which no other rotation could begin.
    async fn give_up(&self, rotation: &Rotation) -> Result<(), RotationError> {
        self.credentials.give_up(&rotation.integration.id, &rotation.version).await?;
        Err(RotationError::GivenUp)
    }

    /// Returns the app's own token for Graph, in the tenant where it is registered.
    async fn graph_token(
        &self,
        rotation: &Rotation,
        credential: &ClientCredential,
    ) -> Result<BearerToken, RotationError> {
        let metadata = self.metadata.get(&self.tenant).await?;
        let client_id = &rotation.integration.settings.client_id;
        let scope = &self.graph.scope();
        let request = ClientCredentialsRequest { client_id, credential, scope };
        Ok(self.entra.client_credentials(&metadata, request).await?.access_token)
    }
}
