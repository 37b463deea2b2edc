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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_passes_names_the_time_to_come_again_and_no_other_does() {
        let asked = Some(Duration::from_secs(77));
        for (class, asked, expected) in [
            (ErrorClass::Transient, None, Some("10")),
            (ErrorClass::Transient, asked, Some("77")),
            (ErrorClass::Throttled, asked, Some("77")),
            (ErrorClass::PolicyBlocked, asked, None),
        ] {
            let error = TokenError { class, retry_after: asked, ..TokenError::no_answer() };
            let headers = Problem::of_sign_in(&error).headers();
            let named = headers.get("retry-after").map(|value| value.to_str().unwrap_or_default());
            assert_eq!(named, expected, "{class:?}");
        }
    }
}
