//! Refusals of Entra and of the user, as the problem that the person in the browser gets.

use std::time::Duration;

use edge::parameters::Query;
use edge::problem::{Code, Problem};
use entra::authorize_error::{AuthorizeRefusal, classify};
use entra::error_class::ErrorClass;
use entra::token::TokenError;

/// `Retry-After` for a browser while Entra is not available.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Returns the problem behind an `error=` in the authorization response (RFC 6749 section 4.1.2.1). Only the number of
/// the description is read, and nothing of it is shown.
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

/// Returns the problem behind a refused authorization code.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn authorization_response(query: &str, code: Code) {
        let query = Query::parse(query).unwrap();
        assert_eq!(of(query.get("error").unwrap(), &query).code(), code, "{query:?}");
    }

    #[test]
    fn each_refusal_of_the_authorization_leg_is_a_problem_of_its_own() {
        authorization_response("error=access_denied", Code::SignInCancelled);
        authorization_response("error=consent_required", Code::ConsentRequired);
        authorization_response("error=interaction_required", Code::InteractionRequired);
        authorization_response("error=temporarily_unavailable", Code::EntraUnavailable);
        authorization_response("error=server_error", Code::EntraUnavailable);
        authorization_response("error=unauthorized_client", Code::EntraMisconfigured);
        authorization_response("error=something_new", Code::CodeRejected);
    }

    #[test]
    fn the_number_of_the_description_names_what_the_error_leaves_unnamed() {
        let response = |number: u32, code| {
            let query = format!("error=access_denied&error_description=AADSTS{number}%3A+ada");
            authorization_response(&query, code);
        };
        response(90094, Code::AdminApprovalRequired);
        response(50020, Code::AccountNotInTenant);
        response(500200, Code::PersonalAccount);
        response(53003, Code::PolicyBlocked);
        response(65001, Code::ConsentRequired);
    }

    fn token_error(class: ErrorClass) -> TokenError {
        TokenError { class, ..TokenError::no_answer() }
    }

    #[test]
    fn each_class_of_a_refused_code_is_a_problem_of_its_own() {
        for (class, code) in [
            (ErrorClass::Transient, Code::EntraUnavailable),
            (ErrorClass::Throttled, Code::EntraThrottled),
            (ErrorClass::ApplicationBroken, Code::CredentialRejected),
            (ErrorClass::ReauthorizationRequired, Code::InteractionRequired),
            (ErrorClass::DeadGrant, Code::CodeRejected),
            (ErrorClass::Suspect, Code::CodeRejected),
            (ErrorClass::BadRequest, Code::EntraMisconfigured),
        ] {
            assert_eq!(of_exchange(&token_error(class)).code(), code, "{class:?}");
        }
    }

    #[test]
    fn missing_consent_is_told_apart_from_other_interaction() {
        let mut error = token_error(ErrorClass::ReauthorizationRequired);
        error.error = Some("consent_required".to_owned());
        assert_eq!(of_exchange(&error).code(), Code::ConsentRequired);
        error.error = Some("invalid_grant".to_owned());
        error.suberror = Some("consent_required".to_owned());
        assert_eq!(of_exchange(&error).code(), Code::ConsentRequired);
    }
}
