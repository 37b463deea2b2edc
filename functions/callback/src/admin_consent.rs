//! An administrator comes back from consenting for a whole tenant. Nobody here has asked for it and no state is known,
//! so nothing is believed and nothing is done: a page says how it ended (S-14).
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>.

use edge::gateway::Body;
use edge::page::Page;
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use http::{Response, StatusCode};

/// The answer, if this is no sign-in.
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
