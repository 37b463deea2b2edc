//! The consequences of a failed refresh for the connection, the integration and the caller.

use entra::error_class::{ErrorClass, Party};
use entra::token::TokenError;
use jiff::{SignedDuration, Timestamp};

use super::{Cause, Refresher};
use crate::Error;
use crate::audit::{Actor, AuditEvent, Ended, RenewalFailure, What};
use crate::connections::{Connection, Happening, Lease, RefreshFailure, Release};
use crate::events::{ConnectionDetail, Event};
use crate::integrations::{Integration, NotServed, Recorded, TenantRefusal};
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
    /// The connection's tenant refuses the app, or Entra does not find it; other tenants are not affected.
    #[error("the connection's Entra tenant refuses the app")]
    TenantRefused {
        /// The time until the next attempt.
        retry_after: SignedDuration,
    },
    /// Entra does not take our request, for a reason unknown to us.
    #[error("Entra refuses the request for a reason unknown to us")]
    Misconfigured,
    /// The operator paused the integration.
    #[error("the integration is paused")]
    IntegrationPaused,
    /// The operator has narrowed the integration, which no longer serves the connection.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// Our own side failed.
    #[error(transparent)]
    Vault(#[from] Error),
}

impl RefreshError {
    /// Returns the error of a recorded failure, for the caller who meets it and for those before its `retry_at`.
    pub(super) fn of(failure: RefreshFailure, retry_after: SignedDuration) -> Self {
        match failure {
            RefreshFailure::Unavailable => Self::EntraUnavailable { retry_after },
            RefreshFailure::Throttled => Self::EntraThrottled { retry_after },
            RefreshFailure::Refused => Self::Refused { retry_after },
            RefreshFailure::TenantRefused => Self::TenantRefused { retry_after },
            RefreshFailure::Misconfigured => Self::Misconfigured,
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
        let Self::Entra(error) = self else { return false };
        error.class.party() == Party::Connection
    }

    /// Whether Entra refused the grant for a known reason: it looks at the grant only in a tenant that takes the app.
    pub(super) fn proves_that_the_tenant_takes_the_app(&self) -> bool {
        let Self::Entra(error) = self else { return false };
        error.class.party() == Party::Connection && error.class != ErrorClass::Suspect
    }
}

impl Refresher {
    /// Ends the lease after a failure. Returns the error for the caller.
    ///
    /// # Errors
    /// [`Error`] if our own side fails meanwhile.
    pub(super) async fn give_up(
        &self,
        actor: &Actor,
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
                let reason = Some("no_credential");
                self.credential_rejected(actor, connection, integration, reason, now).await?
            }
            Failure::NotFederated => {
                let reason = Some("not_federated");
                self.credential_rejected(actor, connection, integration, reason, now).await?
            }
            Failure::Entra(error) => {
                tracing::warn!(
                    connection = %connection.id, integration = %integration.id, class = ?error.class,
                    error = error.error.as_deref(), suberror = error.suberror.as_deref(), codes = ?error.codes,
                    correlation_id = error.correlation_id.as_deref(), "a refresh failed",
                );
                self.judge(actor, connection, integration, cause, &error, now).await?
            }
        };
        self.end(actor, lease, connection, &release, now).await?;
        Ok(error)
    }

    /// Ends the lease with a failure, and notes it.
    pub(super) async fn end(
        &self,
        actor: &Actor,
        lease: &Lease,
        connection: &Connection,
        release: &Release,
        now: Timestamp,
    ) -> Result<(), Error> {
        let is_ours = self.parts.connections.release(lease, release, now).await?;
        if is_ours && let Some((what, failure)) = worth_noting(connection, release) {
            self.parts.connections.note(connection, what, now).await;
            self.record_failure(actor, connection, failure).await;
        }
        if let Release::ReauthorizationRequired { reason, .. } = release {
            let detail = ConnectionDetail {
                connection: &connection.id,
                integration: &connection.integration,
                user: &connection.user,
                reason: Some(reason),
            };
            self.parts.events.send(&Event::ConnectionReauthorizationRequired(detail)).await;
        }
        Ok(())
    }

    async fn record_failure(
        &self,
        actor: &Actor,
        connection: &Connection,
        failure: RenewalFailure,
    ) {
        let event = AuditEvent::about(What::RenewalFailed { failure }, connection);
        self.parts.audit.record(actor, &event).await;
    }

    /// Ends the lease of a connection whose tenant refuses the app, without asking Entra.
    pub(super) async fn wait_for_tenant(
        &self,
        lease: &Lease,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<RefreshError, Error> {
        self.parts.connections.release(lease, &self.postponed(until), now).await?;
        Ok(Consequence::TenantWaits.error(until.duration_since(now), ""))
    }

    /// Ends the lease of a connection that is not served, without asking Entra. The connection stays on the schedule, because
    /// the operator may widen the integration again.
    pub(super) async fn leave_unserved(
        &self,
        lease: &Lease,
        why: NotServed,
        now: Timestamp,
    ) -> Result<RefreshError, Error> {
        self.parts.connections.release(lease, &self.postponed(now), now).await?;
        Ok(why.into())
    }

    async fn judge(
        &self,
        actor: &Actor,
        connection: &Connection,
        integration: &Integration,
        cause: &Cause,
        error: &TokenError,
        now: Timestamp,
    ) -> Result<(Release, RefreshError), Error> {
        let asked = error.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok());
        let rng = &mut self.parts.random.clone();
        let failures = connection.failures + 1;
        let consequence = match Consequence::of(error.class) {
            Consequence::IntegrationWaits if !integration.is_rejected_by(error, now) => {
                Consequence::Retried
            }
            consequence => consequence,
        };
        Ok(match consequence {
            Consequence::Retried => {
                later(connection, consequence, schedule::backoff(failures, asked, rng), now)
            }
            Consequence::Throttled => {
                let at_least = asked.unwrap_or(THROTTLED_FOR).max(THROTTLED_FOR);
                let wait = schedule::backoff(failures, Some(at_least), rng);
                later(connection, consequence, wait, now)
            }
            Consequence::Waits => later(connection, consequence, schedule::postponement(rng), now),
            Consequence::NeedsUser => needs_user(error, cause),
            Consequence::ConfirmedOnce => refused(connection, cause, error, 2, CONFIRM_AFTER, now),
            Consequence::ConfirmedTwice => {
                refused(connection, cause, error, 3, CONFIRM_UNEXPLAINED_AFTER, now)
            }
            Consequence::IntegrationWaits => {
                let reason = error.error.as_deref();
                self.credential_rejected(actor, connection, integration, reason, now).await?
            }
            Consequence::TenantWaits => {
                self.tenant_refused(connection, integration, error, now).await?
            }
        })
    }

    /// The connection's tenant is at fault: all its connections wait.
    async fn tenant_refused(
        &self,
        connection: &Connection,
        integration: &Integration,
        error: &TokenError,
        now: Timestamp,
    ) -> Result<(Release, RefreshError), Error> {
        let (id, tenant) = (&integration.id, &connection.account.tenant_id);
        let kind = if error.class == ErrorClass::TenantNotFound {
            TenantRefusal::NotFound
        } else {
            TenantRefusal::Refused
        };
        let reason = error.reason();
        let refused = match self.tenants.refused(integration, tenant, (kind, &reason), now).await? {
            Recorded::New(refused) => {
                let event = Event::IntegrationTenantRefused {
                    integration: id,
                    tenant_id: tenant,
                    reason: &reason,
                };
                self.parts.events.send(&event).await;
                refused
            }
            Recorded::Again(refused) => refused,
            Recorded::Nowhere => {
                let wait = schedule::postponement(&mut self.parts.random.clone());
                return Ok(later(connection, Consequence::TenantWaits, wait, now));
            }
        };
        if refused.is_lost() {
            return Ok(lost(reason));
        }
        let wait = refused.next_probe_at().duration_since(now).max(SignedDuration::ZERO);
        Ok(later(connection, Consequence::TenantWaits, wait, now))
    }

    /// The app's credential is at fault: marks the integration and puts the connection off. Only the renewal that sets the
    /// mark is recorded: later tries with a credential that is known to be rejected are no events.
    async fn credential_rejected(
        &self,
        actor: &Actor,
        connection: &Connection,
        integration: &Integration,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<(Release, RefreshError), Error> {
        let (integrations, events) = (&self.parts.integrations, &self.parts.events);
        if integrations.reject_credential(integration, reason, events, now).await? {
            let failure = RenewalFailure::Ended(Ended::CredentialRejected);
            self.record_failure(actor, connection, failure).await;
        }
        let error = Consequence::IntegrationWaits.error(SignedDuration::ZERO, "");
        Ok((self.postponed(now), error))
    }

    /// Due again some time after `time`.
    fn postponed(&self, time: Timestamp) -> Release {
        Release::Postponed { due_at: time + schedule::postponement(&mut self.parts.random.clone()) }
    }
}

/// The consequence of a refused renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// The renewal is tried again, 2 s to 15 min later.
    Retried,
    /// It is tried again after at least a minute.
    Throttled,
    /// The connection waits by itself.
    Waits,
    /// All connections of the tenant wait.
    TenantWaits,
    /// All connections of the integration wait.
    IntegrationWaits,
    /// The user must sign in again.
    NeedsUser,
    /// The user must sign in again after another refusal, five minutes later.
    ConfirmedOnce,
    /// The user must sign in again after two more refusals, over half an hour.
    ConfirmedTwice,
}

impl Consequence {
    /// The consequence of each class.
    pub const fn of(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Transient => Self::Retried,
            ErrorClass::Throttled => Self::Throttled,
            ErrorClass::CredentialRejected => Self::IntegrationWaits,
            ErrorClass::TenantNotFound | ErrorClass::TenantRefused => Self::TenantWaits,
            ErrorClass::ReauthorizationRequired => Self::NeedsUser,
            ErrorClass::DeadGrant
            | ErrorClass::PolicyBlocked
            | ErrorClass::ConsentRequired
            | ErrorClass::AdminApprovalRequired => Self::ConfirmedOnce,
            ErrorClass::Suspect
            | ErrorClass::AccountNotInTenant
            | ErrorClass::PersonalAccount
            | ErrorClass::Cancelled
            | ErrorClass::CodeRejected => Self::ConfirmedTwice,
            ErrorClass::BadRequest => Self::Waits,
        }
    }

    /// Returns the failure that is recorded with the connection, or `None` if the integration waits or the user must sign
    /// in: those are recorded elsewhere.
    const fn failure(self) -> Option<RefreshFailure> {
        match self {
            Self::Retried => Some(RefreshFailure::Unavailable),
            Self::Throttled => Some(RefreshFailure::Throttled),
            Self::Waits => Some(RefreshFailure::Misconfigured),
            Self::TenantWaits => Some(RefreshFailure::TenantRefused),
            Self::ConfirmedOnce | Self::ConfirmedTwice => Some(RefreshFailure::Refused),
            Self::IntegrationWaits | Self::NeedsUser => None,
        }
    }

    /// Returns the error for the caller whose renewal was refused. `reason` is for the user who must sign in again.
    pub fn error(self, retry_after: SignedDuration, reason: &str) -> RefreshError {
        match (self.failure(), self) {
            (Some(failure), _) => RefreshError::of(failure, retry_after),
            (None, Self::IntegrationWaits) => RefreshError::CredentialRejected,
            (None, _) => RefreshError::ReauthorizationRequired { reason: reason.to_owned() },
        }
    }
}

/// A failed renewal as an entry of the history and as an event, unless the one before failed in the same way.
fn worth_noting(connection: &Connection, release: &Release) -> Option<(Happening, RenewalFailure)> {
    match release {
        Release::ReauthorizationRequired { reason, .. } => {
            let happening = Happening::ReauthorizationRequired { reason: reason.clone() };
            Some((happening, RenewalFailure::Ended(Ended::ReauthorizationRequired)))
        }
        Release::Failed { failure, .. } if connection.failure != Some(*failure) => {
            let happening = Happening::RenewalFailed { failure: *failure };
            Some((happening, RenewalFailure::Retried(*failure)))
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
    (release, RefreshError::of(RefreshFailure::Refused, wait))
}

/// Only the user can help; the claims challenge goes into the next authorize URL.
fn needs_user(error: &TokenError, cause: &Cause) -> (Release, RefreshError) {
    let claims = error.claims.clone().or_else(|| cause.claims().map(str::to_owned));
    sign_in_again(error.reason(), claims)
}

/// Entra has not found the tenant for a day.
pub(super) fn lost(reason: String) -> (Release, RefreshError) {
    sign_in_again(reason, None)
}

fn sign_in_again(reason: String, claims: Option<String>) -> (Release, RefreshError) {
    let error = Consequence::NeedsUser.error(SignedDuration::ZERO, &reason);
    (Release::ReauthorizationRequired { reason, claims }, error)
}

/// The connection is renewed later; Entra has not refused its grant.
fn later(
    connection: &Connection,
    consequence: Consequence,
    wait: SignedDuration,
    now: Timestamp,
) -> (Release, RefreshError) {
    let release = match consequence.failure() {
        Some(failure) => Release::Failed {
            failure,
            retry_at: now + wait,
            refused_since: connection.refused_since,
            refusals: connection.refusals,
        },
        None => Release::Postponed { due_at: now + wait },
    };
    (release, consequence.error(wait, ""))
}

#[cfg(test)]
mod tests {
    use entra::error_class::{ErrorBody, Leg, classify};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_party_at_fault_waits_and_no_other(
            error in "[a-z_]{0,24}|invalid_client|invalid_grant|invalid_request",
            error_codes in proptest::collection::vec(
                proptest::sample::select(entra::error_class::known_codes().collect::<Vec<_>>()), 0..3),
        ) {
            let body = ErrorBody { error, error_codes, ..ErrorBody::default() };
            let class = classify(Leg::Refresh, Some(400), Some(&body), None);
            let party = match Consequence::of(class) {
                Consequence::Retried | Consequence::Throttled | Consequence::Waits => Party::Nobody,
                Consequence::TenantWaits => Party::Tenant,
                Consequence::IntegrationWaits => Party::Integration,
                Consequence::NeedsUser | Consequence::ConfirmedOnce | Consequence::ConfirmedTwice => {
                    Party::Connection
                }
            };
            prop_assert_eq!(party, class.party());
        }
    }
}
