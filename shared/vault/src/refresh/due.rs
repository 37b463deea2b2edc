//! The handling of one due connection by the schedule.

use jiff::{SignedDuration, Timestamp};

use super::failure::RefreshError;
use super::{Cause, Refresher, Renewal};
use crate::Error;
use crate::audit::{Actor, AuditEvent, What};
use crate::connections::{Acquired, Connection, Due, Lease, Status};
use crate::events::{ConnectionDetail, Event};
use crate::ids::ConnectionId;
use crate::integrations::Integration;
use crate::schedule;

/// How long a connection with a status of a newer release is left to workers of that release.
const LEFT_TO_NEWER_RELEASES_FOR: SignedDuration = SignedDuration::from_mins(10);

/// The name of the schedule in the audit trail: that of its function.
const SCHEDULE: &str = "refresh";

/// The outcome for a due connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueOutcome {
    /// Its tokens are renewed, now or by another worker.
    Renewed,
    /// A flow that nobody confirmed was erased, or a connection whose integration is gone.
    Erased,
    /// There was nothing to do any more, or another worker does it.
    Nothing,
    /// It was put off, because its integration is paused, its credential rejected or its settings narrowed, or because its
    /// tenant refuses.
    PutOff,
    /// Entra did not answer, or is temporarily unavailable.
    Unavailable,
    /// Entra throttled us.
    Throttled,
    /// Entra refused the grant; it is asked once more before the user must sign in.
    Refused,
    /// Entra rejects the app's credential: the integration is stopped, the connection unharmed.
    CredentialRejected,
    /// The connection's tenant refuses the app: its connections wait, and no others.
    TenantRefused,
    /// Entra does not take our request, for a reason unknown to us.
    Misconfigured,
    /// The user must sign in again.
    ReauthorizationRequired,
}

impl Refresher {
    /// Renews one connection from the due index, whose integration can be used. Harmless when repeated.
    ///
    /// # Errors
    /// [`Error`] when our own side failed; the connection stays due.
    pub async fn handle_due(
        &self,
        row: &Due,
        integration: &Integration,
    ) -> Result<DueOutcome, Error> {
        let now = self.parts.clock.now();
        let rng = &mut self.parts.random.clone();
        match self.parts.connections.acquire_due(&row.connection, now, rng).await? {
            Acquired::Gone => Ok(DueOutcome::Nothing),
            Acquired::Leased(lease, connection) => {
                outcome(self.renew_due(&lease, &connection, integration).await)
            }
            Acquired::Refused(connection) => self.handle_other(*connection, integration).await,
        }
    }

    async fn renew_due(
        &self,
        lease: &Lease,
        connection: &Connection,
        integration: &Integration,
    ) -> Result<Renewal, RefreshError> {
        self.renew_leased(&Actor::service(SCHEDULE), lease, connection, integration, &Cause::Due)
            .await
    }

    /// Handles a due connection that could not be leased at once: unconfirmed, not active, or leased by another.
    async fn handle_other(
        &self,
        connection: Connection,
        integration: &Integration,
    ) -> Result<DueOutcome, Error> {
        let now = self.parts.clock.now();
        if connection.due_at.is_none_or(|due| due > now) {
            return Ok(DueOutcome::Nothing);
        }
        if connection.status == Status::Unknown {
            let later = now + LEFT_TO_NEWER_RELEASES_FOR;
            self.parts.connections.reschedule(&connection, Some(later)).await?;
            return Ok(DueOutcome::Nothing);
        }
        if connection.pending.as_ref().is_some_and(|pending| pending.expires_at <= now) {
            self.parts.connections.erase_pending(&connection, now).await?;
            return Ok(DueOutcome::Erased);
        }
        let (Status::Active, Some(grant)) = (connection.status, &connection.grant) else {
            let waits_until = connection.pending.as_ref().map(|pending| pending.expires_at);
            self.parts.connections.reschedule(&connection, waits_until).await?;
            return Ok(DueOutcome::Nothing);
        };
        let rng = &mut self.parts.random.clone();
        match self.parts.connections.acquire(&connection.id, grant, now, rng).await? {
            Acquired::Leased(lease, leased) => {
                outcome(self.renew_due(&lease, &leased, integration).await)
            }
            Acquired::Refused(_) | Acquired::Gone => Ok(DueOutcome::Nothing),
        }
    }

    /// Puts off a due connection whose integration or tenant cannot be used before `time`.
    ///
    /// # Errors
    /// [`Error`] when our own side failed; the connection stays due.
    pub async fn put_off(&self, row: &Due, time: Timestamp) -> Result<DueOutcome, Error> {
        let wait = schedule::postponement(&mut self.parts.random.clone());
        let now = self.parts.clock.now();
        if self.parts.connections.postpone(row, time.max(now) + wait).await? {
            return Ok(DueOutcome::PutOff);
        }
        // An unconfirmed flow is erased in time, even if its integration cannot be used.
        let Some(connection) = self.parts.connections.get(&row.connection).await? else {
            return Ok(DueOutcome::Nothing);
        };
        match &connection.pending {
            Some(pending) if pending.expires_at <= now => {
                self.parts.connections.erase_pending(&connection, now).await?;
                Ok(DueOutcome::Erased)
            }
            Some(pending) => {
                self.parts.connections.reschedule(&connection, Some(pending.expires_at)).await?;
                Ok(DueOutcome::PutOff)
            }
            None => Ok(DueOutcome::Nothing),
        }
    }

    /// Deletes a connection whose integration is gone.
    ///
    /// # Errors
    /// [`Error`] when our own side failed; the connection stays due.
    pub async fn delete_orphan(&self, id: &ConnectionId) -> Result<DueOutcome, Error> {
        if let Some(deleted) = self.parts.connections.delete(id).await? {
            let detail = ConnectionDetail {
                connection: &deleted.id,
                integration: &deleted.integration,
                user: &deleted.user,
                reason: Some("integration_deleted"),
            };
            self.parts.events.send(&Event::ConnectionDeleted(detail)).await;
            let what = What::ConnectionDisconnected;
            let event = AuditEvent::of_connection(what, &deleted.id, &deleted.integration);
            self.parts.audit.record(&Actor::service(SCHEDULE), &event).await;
        }
        Ok(DueOutcome::Erased)
    }
}

fn outcome(renewal: Result<Renewal, RefreshError>) -> Result<DueOutcome, Error> {
    match renewal {
        Ok(Renewal::Token(_)) => Ok(DueOutcome::Renewed),
        Ok(Renewal::Superseded) => Ok(DueOutcome::Nothing),
        Err(RefreshError::Vault(error)) => Err(error),
        Err(RefreshError::Gone | RefreshError::Pending | RefreshError::InProgress) => {
            Ok(DueOutcome::Nothing)
        }
        Err(RefreshError::ReauthorizationRequired { .. }) => {
            Ok(DueOutcome::ReauthorizationRequired)
        }
        Err(RefreshError::Refused { .. }) => Ok(DueOutcome::Refused),
        Err(RefreshError::EntraUnavailable { .. }) => Ok(DueOutcome::Unavailable),
        Err(RefreshError::EntraThrottled { .. }) => Ok(DueOutcome::Throttled),
        Err(RefreshError::CredentialRejected) => Ok(DueOutcome::CredentialRejected),
        Err(RefreshError::TenantRefused { .. }) => Ok(DueOutcome::TenantRefused),
        Err(RefreshError::Misconfigured) => Ok(DueOutcome::Misconfigured),
        Err(RefreshError::IntegrationPaused | RefreshError::NotServed(_)) => Ok(DueOutcome::PutOff),
    }
}
