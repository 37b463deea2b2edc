//! `x-ado-connect-dry: 1`: what would become of a call, without calling Azure DevOps and without counting.

use edge::gateway::Body;
use edge::problem::Problem;
use edge::respond;
use edge::wire::rfc3339;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::{Value, json};
use vault::limits::Standing;

use crate::Proxy;
use crate::target::Target;

const DRY: &str = "x-ado-connect-dry";

/// Whether a request asks for it.
pub(crate) fn is_wanted(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(DRY) {
        None => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(_) => Err(Problem::field(DRY, "1, or leave it out")),
    }
}

impl Proxy {
    /// The address as it would be sent (without the query), and how it stands with policy and limits.
    pub(crate) async fn describe_call(
        &self,
        target: &Target,
        method: &Method,
    ) -> Result<Response<Body>, Problem> {
        let now = self.clock.now();
        let limits = self.standings(target, now).await?;
        let call_after = target.connection.call_after.filter(|time| *time > now);
        let body = json!({
            "connection": target.connection.id,
            "integration": target.integration.id,
            "method": method.as_str(),
            "host": target.address.host(),
            "path": target.address.path(),
            "organization": target.address.organization(),
            "allowed": target.integration.settings.allowed_calls.allows(method, &target.address),
            "call_after": call_after.map(rfc3339),
            "limits": limits.iter().map(view).collect::<Vec<_>>(),
        });
        respond::json(StatusCode::OK, &body)
    }
}

fn view(standing: &Standing) -> Value {
    let mut view = json!({"of": standing.subject.kind()});
    if let (Some(rate), Some(remaining)) = (standing.limit.rate, standing.remaining) {
        view["requests"] = rate.requests.get().into();
        view["per_seconds"] = rate.per_seconds.get().into();
        view["remaining"] = remaining.into();
    }
    if let (Some(most), Some(busy)) = (standing.limit.concurrent, standing.busy) {
        view["concurrent"] = most.get().into();
        view["under_way"] = busy.into();
    }
    view
}
