//! An integration's status: paused by the operator, or stopped by the circuit breaker of its credential.
//!
//! ```text
//!            reject_credential()
//!    ready ───────────────────────> credential_rejected ──claim_probe()──> one try every 30 s
//!      ^  <───────────────────────         │                                  (half-open)
//!      │     accept_credential()           │ pause()
//!      │ resume()                          v
//!      └──────────────────────────────── paused
//! ```
//!
//! The state is in DynamoDB, so that it holds for every process: a breaker in memory would have to open in each of
//! thousands of execution environments.

use entra::identifiers::ClientId;
use jiff::{SignedDuration, Timestamp};

use super::{CredentialKind, Integration, Integrations, Status, WHAT, key};
use crate::Error;
use crate::events::{Event, Events};
use crate::ids::IntegrationId;
use crate::table::{Condition, Write, n, s, to_value};

/// The time between two attempts with a rejected credential.
pub const PROBE_INTERVAL: SignedDuration = SignedDuration::from_secs(30);

impl Integrations {
    /// Stops an integration: its connections stay as they are, unused. Returns whether there is such an integration.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn pause(&self, id: &IntegrationId) -> Result<bool, Error> {
        let update = self.update(id).when("pk", Condition::Exists);
        self.set_status(update, Status::Paused).await
    }

    /// Resumes a paused integration. Returns whether it was paused.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn resume(&self, id: &IntegrationId) -> Result<bool, Error> {
        let update = self.update(id).when("status", is(Status::Paused)?);
        self.set_status(update, Status::Ready).await
    }

    /// Marks the credential as rejected by Entra, unless the integration was changed since `seen`, and sends an event if the
    /// mark is new. Returns whether it is. The next attempt is due one interval later. `reason` is Entra's error;
    /// `invalid_client` stands in for none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn reject_credential(
        &self,
        seen: &Integration,
        reason: Option<&str>,
        events: &Events,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let update = self
            .unchanged(seen)
            .when("status", is(Status::Ready)?)
            .set("status", to_value(WHAT, &Status::CredentialRejected)?)
            .set("probed_at", n(now.as_second()));
        let is_news = update.attempt(&self.client).await?;
        if is_news {
            let (integration, reason) = (&seen.id, reason.unwrap_or("invalid_client"));
            events.send(&Event::IntegrationCredentialRejected { integration, reason }).await;
        }
        Ok(is_news)
    }

    /// Marks the credential as accepted again. Returns whether it was rejected before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn accept_credential(&self, id: &IntegrationId) -> Result<bool, Error> {
        let update = self.update(id).when("status", is(Status::CredentialRejected)?);
        self.set_status(update, Status::Ready).await
    }

    /// Records the new secret's expiry and marks the credential as accepted. `updated_at` changes, so a process that read
    /// the integration earlier can no longer mark it as rejected. Returns whether the expiry was recorded: it is not if
    /// the integration was changed since `seen`, because another credential may be about to be stored; the mark is
    /// removed in every case.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn renew_client_secret(
        &self,
        seen: &Integration,
        client_id: &ClientId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Error> {
        // Not conditions of the update: a role that may name `client_id` in a condition may also write it.
        let is_of_this_secret = seen.settings.client_id == *client_id
            && seen.credential.kind == CredentialKind::ClientSecret
            && seen.credential.expires_at != Some(expires_at);
        let update = self
            .unchanged(seen)
            .set("credential.expires_at", s(expires_at.to_string()))
            .set("updated_at", s(now.to_string()));
        let renewed = is_of_this_secret && update.attempt(&self.client).await?;
        self.accept_credential(&seen.id).await?;
        Ok(renewed)
    }

    /// Claims the one attempt that a rejected credential gets every [`PROBE_INTERVAL`]. Returns `true` to at most one of
    /// all workers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn claim_probe(&self, id: &IntegrationId, now: Timestamp) -> Result<bool, Error> {
        let update = self
            .update(id)
            .when("status", is(Status::CredentialRejected)?)
            .when("probed_at", Condition::AbsentOrAtMost(n((now - PROBE_INTERVAL).as_second())))
            .set("probed_at", n(now.as_second()));
        update.attempt(&self.client).await
    }

    async fn set_status(&self, update: Write, status: Status) -> Result<bool, Error> {
        let update = update.set("status", to_value(WHAT, &status)?).remove("probed_at");
        update.attempt(&self.client).await
    }

    pub(super) fn update(&self, id: &IntegrationId) -> Write {
        Write::update(&self.table, key(id))
    }
}

fn is(status: Status) -> Result<Condition, Error> {
    to_value(WHAT, &status).map(Condition::Is)
}
