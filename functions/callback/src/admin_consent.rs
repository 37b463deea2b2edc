//! The page for an administrator who comes back from consenting for a whole tenant. No request of ours began it and no
//! `state` belongs to it, so nothing is believed and nothing is done (S-14).
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>.

use edge::gateway::Body;
use edge::page::Page;
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use entra::cloud::ADMIN_CONSENT_STATE;
use http::{Response, StatusCode};

use crate::refusal;

/// Returns the page or problem, or `None` if this is the end of a sign-in. Entra sends `admin_consent=True` with a refusal,
/// too, so an error counts before it.
pub(crate) fn answer(query: &Query) -> Option<Result<Response<Body>, Problem>> {
    let (error, consent) = (query.get("error"), query.get("admin_consent"));
    let is_consent = consent.is_some() || query.get("state") == Some(ADMIN_CONSENT_STATE);
    if query.get("code").is_some() || !(is_consent || error == Some("permission_denied")) {
        return None;
    }
    Some(match error {
        Some(error) => Err(refused(error, query)),
        None if consent.is_some_and(|given| given.eq_ignore_ascii_case("true")) => {
            Ok(Page::consented().response(StatusCode::OK))
        }
        None => Err(Problem::new(Code::AdminApprovalRequired)),
    })
}

/// Returns the problem of a refused consent: a declined one means that the approval is still missing, and other errors are
/// those of a sign-in.
fn refused(error: &str, query: &Query) -> Problem {
    let problem = refusal::of(error, query);
    let is_declined = error == "permission_denied"
        || matches!(problem.code(), Code::ConsentRequired | Code::SignInCancelled);
    if is_declined { Problem::new(Code::AdminApprovalRequired) } else { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(query: &str) -> Option<Result<StatusCode, Code>> {
        let answer = answer(&Query::parse(query).unwrap())?;
        Some(answer.map(|page| page.status()).map_err(|problem| problem.code()))
    }

    #[test]
    fn a_granted_consent_ends_on_a_page() {
        for query in [
            "admin_consent=True&tenant=a1a1a1a1-0000-4000-8000-00000000000a",
            "admin_consent=true",
            "tenant=x&state=y&admin_consent=TRUE&scope=z",
        ] {
            assert_eq!(answer_to(query), Some(Ok(StatusCode::OK)), "{query}");
        }
    }

    #[test]
    fn a_denied_consent_asks_for_an_administrator() {
        for query in [
            "error=permission_denied",
            "error=permission_denied&error_description=The+admin+canceled+the+request&state=y",
            "admin_consent=True&error=consent_required&error_description=AADSTS65004%3A+declined",
            "error=consent_required&admin_consent=True&error_subcode=cancel",
            "admin_consent=True&error=access_denied",
            "error=access_denied&error_subcode=cancel&state=consent",
            "error=consent_required&error_description=AADSTS65004%3A+declined&state=consent",
            "admin_consent=True&error=permission_denied&tenant=x&state=y",
            "admin_consent=False",
            "admin_consent=",
        ] {
            assert_eq!(answer_to(query), Some(Err(Code::AdminApprovalRequired)), "{query}");
        }
    }

    #[test]
    fn any_other_error_wins_over_the_flag() {
        for (error, code) in [
            ("server_error", Code::EntraUnavailable),
            ("unauthorized_client", Code::EntraMisconfigured),
            ("something_new", Code::CodeRejected),
            ("", Code::CodeRejected),
        ] {
            for flag in ["True", "true", "False"] {
                let query = format!("admin_consent={flag}&error={error}");
                assert_eq!(answer_to(&query), Some(Err(code)), "{query}");
            }
        }
    }

    #[test]
    fn the_end_of_a_sign_in_is_left_to_the_callback() {
        assert_eq!(answer_to("code=x&state=y"), None);
        assert_eq!(answer_to("code=x&state=y&admin_consent=True"), None);
        assert_eq!(answer_to("error=access_denied&state=y"), None);
        assert_eq!(answer_to("state=y"), None);
    }
}
