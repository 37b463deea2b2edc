//! Every way in which Entra, or the user, says no: which problem it is to the person in the browser.

use std::time::Duration;

use edge::parameters::Query;
use edge::problem::{Code, Problem};
use entra::authorize_error::{AuthorizeRefusal, classify};
use entra::error_class::ErrorClass;
use entra::token::TokenError;

/// What a browser is told to wait when Entra is not available.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The problem behind an `error=` in the authorization response (RFC 6749 section 4.1.2.1). The
/// description is only searched for its number; nothing of it is shown.
pub(crate) fn of(error: &str, query: &Query) -> Problem {
    match classify(error, query.get("suberror"), query.get("error_description")) {
        AuthorizeRefusal::Cancelled => Problem::new(Code::SignInCancelled),
        AuthorizeRefusal::ConsentRequired => Problem::new(Code::ConsentRequired),
        AuthorizeRefusal::AdminApprovalRequired => Problem::new(Code::AdminApprovalRequired),
        AuthorizeRefusal::AccountNotInTenant => Problem::new(Code::AccountNotInTenant),
        AuthorizeRefusal::PersonalAccount => Problem::new(Code::PersonalAccount),
        AuthorizeRefusal::PolicyBlocked => Problem::new(Code::PolicyBlocked),
        AuthorizeRefusal::InteractionRequired => Problem::new(Code::InteractionRequired),
        AuthorizeRefusal::TemporarilyUnavailable => {
            Problem::new(Code::EntraUnavailable).retry_after(RETRY_AFTER)
        }
        AuthorizeRefusal::ApplicationMisconfigured => {
            Problem::new(Code::EntraMisconfigured).cause("the authorize leg was refused")
        }
        AuthorizeRefusal::Other => Problem::new(Code::CodeRejected).cause("an unknown error code"),
    }
}

/// The problem behind a refused code.
pub(crate) fn of_exchange(error: &TokenError) -> Problem {
    let wait = error.retry_after.unwrap_or(RETRY_AFTER);
    match error.class {
        ErrorClass::Transient => Problem::new(Code::EntraUnavailable).retry_after(wait),
        ErrorClass::Throttled => Problem::new(Code::EntraThrottled).retry_after(wait),
        ErrorClass::ApplicationBroken => Problem::new(Code::CredentialRejected),
        ErrorClass::ReauthorizationRequired => match error.error.as_deref() {
            Some("consent_required") => Problem::new(Code::ConsentRequired),
            _ if error.suberror.as_deref() == Some("consent_required") => {
                Problem::new(Code::ConsentRequired)
            }
            _ => Problem::new(Code::InteractionRequired),
        },
        ErrorClass::DeadGrant | ErrorClass::Suspect => Problem::new(Code::CodeRejected),
        ErrorClass::BadRequest => {
            Problem::new(Code::EntraMisconfigured).cause("the token request was refused")
        }
    }
}
