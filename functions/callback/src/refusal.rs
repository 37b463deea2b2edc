//! The problem that the person in the browser gets for a refusal in the authorization response.

use edge::parameters::Query;
use edge::problem::{Code, Problem};
use entra::error_class::{ErrorBody, classify_redirect};

/// Returns the problem behind an `error=` in the authorization response (RFC 6749 section 4.1.2.1). Only the number of
/// the description is read, and nothing of it is shown.
pub(crate) fn of(error: &str, query: &Query) -> Problem {
    let body = ErrorBody::of_redirect(error, query.get("suberror"), query.get("error_description"));
    Problem::new(Code::of_sign_in(classify_redirect(&body))).cause("the authorize leg was refused")
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
        response(700016, Code::TenantRefused);
        response(7000215, Code::EntraMisconfigured);
    }
}
