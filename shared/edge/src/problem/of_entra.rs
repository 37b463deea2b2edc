//! Refusals of Entra as problems, for the person who signs in.

use std::time::Duration;

use entra::error_class::ErrorClass;
use entra::token::TokenError;

use super::{Code, Problem};

/// `Retry-After` for a browser while Entra is not available.
const RETRY_AFTER: Duration = Duration::from_secs(10);

impl Code {
    /// Returns the code of a refused sign-in.
    pub const fn of_sign_in(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Transient => Self::EntraUnavailable,
            ErrorClass::Throttled => Self::EntraThrottled,
            ErrorClass::CredentialRejected => Self::CredentialRejected,
            ErrorClass::TenantNotFound | ErrorClass::TenantRefused => Self::TenantRefused,
            ErrorClass::ReauthorizationRequired => Self::InteractionRequired,
            ErrorClass::PolicyBlocked => Self::PolicyBlocked,
            ErrorClass::ConsentRequired => Self::ConsentRequired,
            ErrorClass::AdminApprovalRequired => Self::AdminApprovalRequired,
            ErrorClass::AccountNotInTenant => Self::AccountNotInTenant,
            ErrorClass::PersonalAccount => Self::PersonalAccount,
            ErrorClass::Cancelled => Self::SignInCancelled,
            ErrorClass::CodeRejected | ErrorClass::DeadGrant | ErrorClass::Suspect => {
                Self::CodeRejected
            }
            ErrorClass::BadRequest => Self::EntraMisconfigured,
        }
    }
}

impl Problem {
    /// Returns the problem of a sign-in that Entra refuses.
    #[must_use]
    pub fn of_sign_in(error: &TokenError) -> Self {
        let problem = Self::new(Code::of_sign_in(error.class)).cause(error.reason());
        match error.class {
            ErrorClass::Transient | ErrorClass::Throttled => {
                problem.retry_after(error.retry_after.unwrap_or(RETRY_AFTER))
            }
            _ => problem,
        }
    }
}
