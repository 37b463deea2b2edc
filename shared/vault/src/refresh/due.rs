//! What the schedule does with a connection that is due.

use super::failure::RefreshError;
use super::{Cause, Refresher, Turn};
use crate::Error;
use crate::connections::{Acquired, Connection, Due, Status};
use crate::events::{ConnectionDetail, Event};
use crate::ids::ConnectionId;
use crate::integrations::Integration;
use crate::schedule;

/// What became of a due connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueOutcome {
    /// Its tokens were renewed, or had been already.
    Renewed,
    /// A flow that nobody confirmed was erased, or a connection whose integration is gone.
    Erased,
    /// Nothing was to be done any more, or another worker does it.
    Nothing,
    /// It was put off, because its integration is paused or its credential rejected.
    PutOff,
    /// Entra did not answer, or said that it cannot now.
    Unavailable,
    /// Entra throttled us.
    Throttled,
    /// Entra refused the grant; it is asked again before the user is.
    Refused,
    /// Entra rejects the app's credential: the integration is stopped, the connection unharmed.
    CredentialRejected,
    /// The user must sign in again.
    ReauthorizationRequired,
}

impl Refresher {
    /// Renews one connection that the due index named, whose integration can be used. Harmless when
    /// repeated.
    ///
    /// # Errors
    /// [`Error`] when our own side failed; the connection stays due.
    pub async fn handle_due(
        &self,
        row: &Due,
        integration: &Integration,
    ) -> Result<DueOutcome, Error> {
        let now = self.clock.now();
        let rng = &mut self.random.clone();
        match self.connections.acquire_due(&row.connection, now, rng).await? {
            Acquired::Gone => Ok(DueOutcome::Nothing),
            Acquired::Leased(lease, connection) => {
                let turn = self.turn(&lease, &connection, integration, &Cause::Due).await;
                outcome(turn)
            }
            Acquired::Refused(connection) => self.handle_other(*connection, integration).await,
        }
    }

    /// A due connection that is not simply to be renewed: unconfirmed, not active, or leased.
    async fn handle_other(
        &self,
        connection: Connection,
        integration: &Integration,
    ) -> Result<DueOutcome, Error> {
        let now = self.clock.now();
        if connection.due_at.is_none_or(|due| due > now) {
            return Ok(DueOutcome::Nothing);
        }
        if connection.pending.as_ref().is_some_and(|pending| pending.expires_at <= now) {
            self.connections.erase_pending(&connection, now).await?;
            return Ok(DueOutcome::Erased);
        }
        let (Status::Active, Some(grant)) = (connection.status, &connection.grant) else {
            let waits_until = connection.pending.as_ref().map(|pending| pending.expires_at);
            self.connections.reschedule(&connection, waits_until).await?;
            return Ok(DueOutcome::Nothing);
        };
        let rng = &mut self.random.clone();
        match self.connections.acquire(&connection.id, grant, now, rng).await? {
            Acquired::Leased(lease, leased) => {
                outcome(self.turn(&lease, &leased, integration, &Cause::Due).await)
            }
            Acquired::Refused(_) | Acquired::Gone => Ok(DueOutcome::Nothing),
        }
    }

    /// Puts off a due connection whose integration cannot be used.
    ///
    /// # Errors
    /// [`Error`] when our own side failed; the connection stays due.
    pub async fn put_off(&self, row: &Due) -> Result<DueOutcome, Error> {
        let wait = schedule::postponement(&mut self.random.clone());
        if self.connections.postpone(row, self.clock.now() + wait).await? {
            return Ok(DueOutcome::PutOff);
        }
        // What waits for a confirmation is erased in time, whatever the integration does.
        let now = self.clock.now();
        let Some(connection) = self.connections.get(&row.connection).await? else {
            return Ok(DueOutcome::Nothing);
        };
        match &connection.pending {
            Some(pending) if pending.expires_at <= now => {
                self.connections.erase_pending(&connection, now).await?;
                Ok(DueOutcome::Erased)
            }
            Some(pending) => {
                self.connections.reschedule(&connection, Some(pending.expires_at)).await?;
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
        if let Some(deleted) = self.connections.delete(id).await? {
            let detail = ConnectionDetail {
                connection: &deleted.id,
                integration: &deleted.integration,
                user: &deleted.user,
                reason: Some("integration_deleted"),
            };
            self.events.send(&Event::ConnectionDeleted(detail)).await;
        }
        Ok(DueOutcome::Erased)
    }
}

fn outcome(turn: Result<Turn, RefreshError>) -> Result<DueOutcome, Error> {
    match turn {
        Ok(Turn::Token(_)) => Ok(DueOutcome::Renewed),
        Ok(Turn::Superseded) => Ok(DueOutcome::Nothing),
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
        Err(RefreshError::IntegrationPaused) => Ok(DueOutcome::PutOff),
    }
}
