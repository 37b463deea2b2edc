//! Errors of other crates as the problems that callers see.

use devops::address::AddressError;
use devops::batch::BatchError;
use devops::closed::ClosedArea;
use devops::method_override::MethodOverride;
use edge::problem::{Code, Problem};
use jiff::SignedDuration;
use vault::integrations::NotServed;
use vault::refresh::RefreshError;

/// The shortest `Retry-After`: 0 would invite a loop.
const SHORTEST_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// Returns the problem of a refresh that gave no token.
#[must_use]
pub fn of_refresh(error: RefreshError) -> Problem {
    let (code, retry_after) = match error {
        RefreshError::Gone => (Code::ConnectionNotFound, None),
        RefreshError::Pending => (Code::ConnectionPending, None),
        RefreshError::ReauthorizationRequired { .. } => {
            (Code::ConnectionReauthorizationRequired, None)
        }
        RefreshError::Refused { retry_after } => (Code::RefreshRefused, Some(retry_after)),
        RefreshError::InProgress => (Code::RefreshInProgress, Some(SHORTEST_WAIT)),
        RefreshError::EntraUnavailable { retry_after } => {
            (Code::EntraUnavailable, Some(retry_after))
        }
        RefreshError::EntraThrottled { retry_after } => (Code::EntraThrottled, Some(retry_after)),
        RefreshError::CredentialRejected => (Code::CredentialRejected, None),
        RefreshError::TenantRefused { retry_after } => (Code::TenantRefused, Some(retry_after)),
        RefreshError::Misconfigured => (Code::EntraMisconfigured, None),
        RefreshError::IntegrationPaused => (Code::IntegrationNotReady, None),
        RefreshError::NotServed(why) => return of_not_served(why),
        RefreshError::Vault(error) => return error.into(),
    };
    let problem = Problem::new(code);
    match retry_after {
        Some(wait) => problem.retry_after(wait.max(SHORTEST_WAIT).unsigned_abs()),
        None => problem,
    }
}

/// Returns the problem of a connection whose integration no longer serves it.
pub(crate) fn of_not_served(why: NotServed) -> Problem {
    let code = match why {
        NotServed::Tenant => Code::WrongTenant,
        NotServed::Organization => Code::OrganizationNotAllowed,
    };
    Problem::new(code).detail(why.to_string())
}

pub(crate) fn of_address(error: &AddressError) -> Problem {
    let code = match error {
        AddressError::UnknownHost => Code::UnknownHost,
        AddressError::OrganizationNotAllowed => Code::OrganizationNotAllowed,
        AddressError::AmbiguousPath(_) => Code::AmbiguousPath,
        AddressError::MethodOverride(error) => return of_override(*error),
    };
    Problem::new(code).detail(error.to_string())
}

/// Returns the problem of a request that names another method than its own.
#[must_use]
pub fn of_override(error: MethodOverride) -> Problem {
    Problem::field(error.0, "leave it out, and send the call with its own method")
}

pub(crate) fn of_batch(error: &BatchError) -> Problem {
    match error {
        BatchError::Unreadable(_) => Problem::new(Code::CallNotAllowed).detail(error.to_string()),
        BatchError::MethodOverride(error) => of_override(*error),
        BatchError::Address(error) => of_address(error),
    }
}

pub(crate) fn of_closed(area: ClosedArea) -> Problem {
    Problem::new(Code::CallNotAllowed).detail(format!(
        "Calls of this area of Azure DevOps {}. The operator opens it with {}.",
        area.risk(),
        area.setting()
    ))
}
