//! What the schedule does with a connection that is due.

use tokio::time::Instant;

use super::{Cause, RefreshError, Refresher};
use crate::Error;
use crate::connections::Status;
use crate::events::{ConnectionDetail, Event};
use crate::ids::ConnectionId;
use crate::random;
use crate::schedule;

/// What became of a due connection.
#[derive(Debug, PartialEq, Eq)]
pub enum DueOutcome {
    /// Its tokens were renewed.
    Renewed,
    /// A flow that nobody confirmed was erased.
    Erased,
    /// Nothing was to be done any more.
    Nothing,
    /// Its integration is gone; so is the connection now.
    Orphaned,
    /// Entra or the integration stands in the way; it will be tried again.
    Later,
    /// The user must sign in again.
    ReauthorizationRequired,
}

impl Refresher {
    /// Handles one connection that the due index named. Harmless when repeated.
    ///
    /// # Errors
    /// [`Error`] when our own side failed; the connection stays due.
    pub async fn handle_due(
        &self,
        id: &ConnectionId,
        deadline: Instant,
    ) -> Result<DueOutcome, Error> {
        let Some(connection) = self.connections.get(id).await? else {
            return Ok(DueOutcome::Nothing);
        };
        let now = self.clock.now();
        if connection.due_at.is_none_or(|due| due > now) {
            return Ok(DueOutcome::Nothing);
        }
        if connection.pending.as_ref().is_some_and(|pending| pending.expires_at <= now) {
            self.connections.erase_pending(&connection, now).await?;
            return Ok(DueOutcome::Erased);
        }
        let Some(integration) = self.integrations.get(&connection.integration).await? else {
            return self.delete_orphan(id).await;
        };
        if connection.status != Status::Active {
            let waits_until = connection.pending.as_ref().map(|pending| pending.expires_at);
            self.connections.reschedule(&connection, waits_until).await?;
            return Ok(DueOutcome::Nothing);
        }
        match self.renew(connection.clone(), &integration, Cause::Due, deadline).await {
            Ok(_) => Ok(DueOutcome::Renewed),
            Err(RefreshError::Vault(error)) => Err(error),
            Err(RefreshError::ReauthorizationRequired { .. }) => {
                Ok(DueOutcome::ReauthorizationRequired)
            }
            Err(RefreshError::Gone | RefreshError::Pending) => Ok(DueOutcome::Nothing),
            Err(RefreshError::CredentialRejected | RefreshError::IntegrationPaused) => {
                let wait = schedule::backoff(10, None, &mut random::system());
                self.connections.reschedule(&connection, Some(now + wait)).await?;
                Ok(DueOutcome::Later)
            }
            Err(_) => Ok(DueOutcome::Later),
        }
    }

    async fn delete_orphan(&self, id: &ConnectionId) -> Result<DueOutcome, Error> {
        if let Some(deleted) = self.connections.delete(id).await? {
            let detail = ConnectionDetail {
                connection: &deleted.id,
                integration: &deleted.integration,
                user: &deleted.user,
                reason: Some("integration_deleted"),
            };
            self.events.send(&Event::ConnectionDeleted(detail)).await;
        }
        Ok(DueOutcome::Orphaned)
    }
}
