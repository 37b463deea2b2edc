//! The consequences of a failed refresh for the connection, the integration and the caller.

use entra::error_class::ErrorClass;
use entra::token::TokenError;
use jiff::{SignedDuration, Timestamp};

use super::{Cause, Refresher};
use crate::Error;
use crate::connections::{Connection, Happening, Lease, RefreshFailure, Release};
use crate::events::{ConnectionDetail, Event};
use crate::integrations::Integration;
use crate::schedule;

/// The user must sign in only after a second refusal, at least this much later.
const CONFIRM_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// If Entra does not explain its refusal: only after three refusals over at least this time.
const CONFIRM_UNEXPLAINED_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// The shortest wait after Entra throttled us.
const THROTTLED_FOR: SignedDuration = SignedDuration::from_secs(60);

/// Why there is no usable token.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The connection is gone.
    #[error("the connection is gone")]
    Gone,
    /// The connection is not confirmed yet.
    #[error("the connection is not confirmed yet")]
    Pending,
    /// Only the user can help, by signing in again.
    #[error("the user must sign in again: {reason}")]
    ReauthorizationRequired {
        /// Entra's error.
        reason: String,
    },
    /// Entra refused the grant; it is asked once more before the user must sign in.
    #[error("Entra refused to renew the token; it is asked once more before the user must sign in")]
    Refused {
        /// The time until the next attempt.
        retry_after: SignedDuration,
    },
    /// Another caller is renewing the token, and did not finish in time.
    #[error("the token is being renewed")]
    InProgress,
    /// Entra does not answer, or is temporarily unavailable.
    #[error("Entra is not available")]
    EntraUnavailable {
        /// The time until the next attempt.
        retry_after: SignedDuration,
    },
    /// Entra throttles us.
    #[error("Entra throttles us")]
    EntraThrottled {
        /// The time until the next attempt.
        retry_after: SignedDuration,
    },
    /// Entra rejects the application's credential; no connection is at fault.
    #[error("Entra rejects the integration's client credential")]
    CredentialRejected,
    /// The operator paused the integration.
    #[error("the integration is paused")]
    IntegrationPaused,
    /// Our own side failed.
    #[error(transparent)]
    Vault(#[from] Error),
}

impl RefreshError {
    /// The error for callers that come before an earlier failure's `retry_at`.
    pub(super) fn earlier(failure: RefreshFailure, retry_after: SignedDuration) -> Self {
        match failure {
            RefreshFailure::Unavailable => Self::EntraUnavailable { retry_after },
            RefreshFailure::Throttled => Self::EntraThrottled { retry_after },
            RefreshFailure::Refused => Self::Refused { retry_after },
            RefreshFailure::ApplicationNotInTenant => Self::CredentialRejected,
        }
    }
}

pub(super) enum Failure {
    /// Entra answered with an error, or did not answer.
    Entra(TokenError),
    /// Our own side failed before Entra could be asked.
    Vault(Error),
    NoCredential,
    NotFederated,
}

impl Failure {
    /// Whether Entra refuses the grant itself.
    pub(super) fn blames_the_grant(&self) -> bool {
        use ErrorClass::{DeadGrant, ReauthorizationRequired, Suspect};
        let Self::Entra(error) = self else { return false };
        matches!(error.class, DeadGrant | Suspect | ReauthorizationRequired)
    }
}

impl Refresher {
    /// Ends the lease after a failure. Returns the error for the caller.
    ///
    /// # Errors
    /// [`Error`] if our own side fails meanwhile.
    pub(super) async fn give_up(
        &self,
        lease: &Lease,
        connection: &Connection,
        integration: &Integration,
        cause: &Cause,
        failure: Failure,
    ) -> Result<RefreshError, Error> {
        let now = self.parts.clock.now();
        let (release, error) = match failure {
            Failure::Vault(error) => (self.postponed(now), RefreshError::Vault(error)),
            Failure::NoCredential => {
                self.application_broken(integration, "no_credential", now).await?
            }
            Failure::NotFederated => {
                self.application_broken(integration, "not_federated", now).await?
            }
            Failure::Entra(error) => {
                tracing::warn!(
                    connection = %connection.id, integration = %integration.id, class = ?error.class,
                    error = error.error.as_deref(), suberror = error.suberror.as_deref(), codes = ?error.codes,
                    correlation_id = error.correlation_id.as_deref(), "a refresh failed",
                );
                self.judge(connection, integration, cause, &error, now).await?
            }
        };
        let is_ours = self.parts.connections.release(lease, &release, now).await?;
        if is_ours && let Some(what) = worth_noting(connection, &release) {
            self.parts.connections.note(connection, what, now).await;
        }
        if let Release::ReauthorizationRequired { reason, .. } = &release {
            let detail = ConnectionDetail {
                connection: &connection.id,
                integration: &connection.integration,
                user: &connection.user,
                reason: Some(reason),
            };
            self.parts.events.send(&Event::ConnectionReauthorizationRequired(detail)).await;
        }
        Ok(error)
    }

    async fn judge(
        &self,
        connection: &Connection,
        integration: &Integration,
        cause: &Cause,
        error: &TokenError,
        now: Timestamp,
    ) -> Result<(Release, RefreshError), Error> {
        let asked = error.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok());
        let rng = &mut self.parts.random.clone();
        let failures = connection.failures + 1;
        Ok(match error.class {
            ErrorClass::Transient => {
                let wait = schedule::backoff(failures, asked, rng);
                later(connection, RefreshFailure::Unavailable, wait, now)
            }
            ErrorClass::Throttled => {
                let at_least = asked.unwrap_or(THROTTLED_FOR).max(THROTTLED_FOR);
                let wait = schedule::backoff(failures, Some(at_least), rng);
                later(connection, RefreshFailure::Throttled, wait, now)
            }
            ErrorClass::ReauthorizationRequired => needs_user(error, cause),
            ErrorClass::DeadGrant => refused(connection, cause, error, 2, CONFIRM_AFTER, now),
            ErrorClass::Suspect => {
                refused(connection, cause, error, 3, CONFIRM_UNEXPLAINED_AFTER, now)
            }
            ErrorClass::ApplicationBroken if integration.is_about_one_tenant(error) => {
                let wait = schedule::postponement(rng);
                later(connection, RefreshFailure::ApplicationNotInTenant, wait, now)
            }
            ErrorClass::ApplicationBroken | ErrorClass::BadRequest => {
                let reason = error.error.as_deref().unwrap_or("invalid_client");
                self.application_broken(integration, reason, now).await?
            }
        })
    }

    /// The app's credential is at fault: marks the integration and puts the connection off.
    async fn application_broken(
        &self,
        integration: &Integration,
        reason: &str,
        now: Timestamp,
    ) -> Result<(Release, RefreshError), Error> {
        if self.parts.integrations.reject_credential(integration, now).await? {
            let event =
                Event::IntegrationCredentialRejected { integration: &integration.id, reason };
            self.parts.events.send(&event).await;
        }
        Ok((self.postponed(now), RefreshError::CredentialRejected))
    }

    fn postponed(&self, now: Timestamp) -> Release {
        Release::Postponed { due_at: now + schedule::postponement(&mut self.parts.random.clone()) }
    }
}

/// The history entry for a failed renewal, unless the one before failed in the same way.
fn worth_noting(connection: &Connection, release: &Release) -> Option<Happening> {
    match release {
        Release::ReauthorizationRequired { reason, .. } => {
            Some(Happening::ReauthorizationRequired { reason: reason.clone() })
        }
        Release::Failed { failure, .. } if connection.failure != Some(*failure) => {
            Some(Happening::RenewalFailed { failure: *failure })
        }
        _ => None,
    }
}

/// Entra refused the grant. It is dead after enough refusals over enough time; before that, Entra is asked again.
fn refused(
    connection: &Connection,
    cause: &Cause,
    error: &TokenError,
    needed: u32,
    over: SignedDuration,
    now: Timestamp,
) -> (Release, RefreshError) {
    let since = connection.refused_since.unwrap_or(now);
    let refusals = connection.refusals + 1;
    if refusals >= needed && now.duration_since(since) >= over {
        return needs_user(error, cause);
    }
    let steps = i32::try_from(needed - 1).unwrap_or(1);
    let wait = over / steps;
    let release = Release::Failed {
        failure: RefreshFailure::Refused,
        retry_at: now + wait,
        refused_since: Some(since),
        refusals,
    };
    (release, RefreshError::Refused { retry_after: wait })
}

/// Only the user can help; the claims challenge goes into the next authorize URL.
fn needs_user(error: &TokenError, cause: &Cause) -> (Release, RefreshError) {
    let reason = error.reason();
    let claims = error.claims.clone().or_else(|| cause.claims().map(str::to_owned));
    let release = Release::ReauthorizationRequired { reason: reason.clone(), claims };
    (release, RefreshError::ReauthorizationRequired { reason })
}

fn later(
    connection: &Connection,
    failure: RefreshFailure,
    wait: SignedDuration,
    now: Timestamp,
) -> (Release, RefreshError) {
    let release = Release::Failed {
        failure,
        retry_at: now + wait,
        refused_since: connection.refused_since,
        refusals: connection.refusals,
    };
    (release, RefreshError::earlier(failure, wait))
}
