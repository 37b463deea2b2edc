//! An integration's status: paused by the operator, or stopped by the breaker of its credential.
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
//! The state is in DynamoDB, so that it holds for every process: a breaker in memory would have to be
//! opened by each of thousands of execution environments anew.

use entra::identifiers::ClientId;
use jiff::{SignedDuration, Timestamp};

use super::{CredentialKind, Integration, Integrations, Status, WHAT, key};
use crate::Error;
use crate::ids::IntegrationId;
use crate::table::{Condition, Write, n, s, to_value};

/// How long a rejected credential is left alone before Entra is asked about it once more.
pub const PROBE_INTERVAL: SignedDuration = SignedDuration::from_secs(30);

impl Integrations {
    /// Stops an integration: its connections stay as they are, and nothing is done with them. Returns
    /// whether there is such an integration.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn pause(&self, id: &IntegrationId) -> Result<bool, Error> {
        let update = self.update(id).when("pk", Condition::Exists);
        self.set_status(update, Status::Paused).await
    }

    /// Lets a paused integration go on. Returns whether it was paused.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn resume(&self, id: &IntegrationId) -> Result<bool, Error> {
        let update = self.update(id).when("status", is(Status::Paused)?);
        self.set_status(update, Status::Ready).await
    }

    /// Marks the credential as rejected by Entra, unless the operator has put the integration anew
    /// since `seen`. Returns whether the mark is new. The next try is due one interval later.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn reject_credential(
        &self,
        seen: &Integration,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let update = self
            .update(&seen.id)
            .when("status", is(Status::Ready)?)
            .when("updated_at", Condition::Is(s(seen.updated_at.to_string())))
            .set("status", to_value(WHAT, &Status::CredentialRejected)?)
            .set("probed_at", n(now.as_second()));
        update.attempt(&self.client).await
    }

    /// Marks the credential as accepted again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn accept_credential(&self, id: &IntegrationId) -> Result<bool, Error> {
        let update = self.update(id).when("status", is(Status::CredentialRejected)?);
        self.set_status(update, Status::Ready).await
    }

    /// Notes that an app has a new client secret, until when Entra accepts it, and that it is accepted. Who has seen the
    /// integration before does not mark it as rejected any more. Returns whether that is new; nothing is noted where
    /// somebody has changed the integration since `seen`, for they may be about to store another credential.
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
        let update = self
            .update(&seen.id)
            .when("updated_at", Condition::Is(s(seen.updated_at.to_string())))
            .when("client_id", Condition::Is(s(client_id.to_string())))
            .when("credential.kind", Condition::Is(to_value(WHAT, &CredentialKind::ClientSecret)?))
            .when("credential.expires_at", Condition::IsNot(s(expires_at.to_string())))
            .set("credential.expires_at", s(expires_at.to_string()))
            .set("updated_at", s(now.to_string()));
        let renewed = update.attempt(&self.client).await?;
        self.accept_credential(&seen.id).await?;
        Ok(renewed)
    }

    /// Claims the one try that a rejected credential gets every [`PROBE_INTERVAL`]; of all workers at
    /// most one is told `true`.
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
