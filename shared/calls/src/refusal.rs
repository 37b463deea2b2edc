//! Errors of other crates as the problems that callers see.

use std::time::Duration;

use devops::address::AddressError;
use edge::problem::{Code, Problem};
use jiff::SignedDuration;
use vault::refresh::RefreshError;

/// Returns the problem of a refresh that gave no token.
#[must_use]
pub fn of_refresh(error: RefreshError) -> Problem {
    match error {
        RefreshError::Gone => Problem::new(Code::ConnectionNotFound),
        RefreshError::Pending => Problem::new(Code::ConnectionPending),
        RefreshError::ReauthorizationRequired { .. } => {
            Problem::new(Code::ConnectionReauthorizationRequired)
        }
        RefreshError::Refused { retry_after } => {
            Problem::new(Code::RefreshRefused).retry_after(seconds(retry_after))
        }
        RefreshError::InProgress => {
            Problem::new(Code::RefreshInProgress).retry_after(Duration::from_secs(1))
        }
        RefreshError::EntraUnavailable { retry_after } => {
            Problem::new(Code::EntraUnavailable).retry_after(seconds(retry_after))
        }
        RefreshError::EntraThrottled { retry_after } => {
            Problem::new(Code::EntraThrottled).retry_after(seconds(retry_after))
        }
        RefreshError::CredentialRejected => Problem::new(Code::CredentialRejected),
        RefreshError::IntegrationPaused => Problem::new(Code::IntegrationNotReady),
        RefreshError::Vault(error) => error.into(),
    }
}

/// Returns the problem of an address that is not called.
pub(crate) fn of_address(error: &AddressError) -> Problem {
    let code = match error {
        AddressError::UnknownHost => Code::UnknownHost,
        AddressError::OrganizationNotAllowed => Code::OrganizationNotAllowed,
        AddressError::AmbiguousPath(_) => Code::AmbiguousPath,
    };
    Problem::new(code).detail(error.to_string())
}

fn seconds(wait: SignedDuration) -> Duration {
    // At least one second: 0 would invite a loop.
    Duration::try_from(wait).unwrap_or_default().max(Duration::from_secs(1))
}
