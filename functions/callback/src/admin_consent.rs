//! The page for an administrator who comes back from consenting for a whole tenant. No request of ours began it and no
//! `state` belongs to it, so nothing is believed and nothing is done (S-14).
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>.

use edge::gateway::Body;
use edge::page::Page;
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use http::{Response, StatusCode};

/// Returns the page or problem, or `None` if this is the end of a sign-in.
pub(crate) fn answer(query: &Query) -> Option<Result<Response<Body>, Problem>> {
    let is = |name: &str, value: &str| query.get(name) == Some(value);
    if query.get("code").is_some() {
        return None;
    }
    if is("error", "permission_denied") {
        return Some(Err(Problem::new(Code::AdminApprovalRequired)));
    }
    is("admin_consent", "True").then(|| Ok(Page::consented().response(StatusCode::OK)))
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
        let query = "admin_consent=True&tenant=a1a1a1a1-0000-4000-8000-00000000000a";
        assert_eq!(answer_to(query), Some(Ok(StatusCode::OK)));
    }

    #[test]
    fn a_denied_consent_asks_for_an_administrator() {
        assert_eq!(answer_to("error=permission_denied"), Some(Err(Code::AdminApprovalRequired)));
    }

    #[test]
    fn the_end_of_a_sign_in_is_left_to_the_callback() {
        assert_eq!(answer_to("code=x&state=y"), None);
        assert_eq!(answer_to("code=x&state=y&admin_consent=True"), None);
        assert_eq!(answer_to("error=access_denied&state=y"), None);
    }
}
