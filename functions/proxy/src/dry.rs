//! `x-ado-connect-dry: 1`: a description of a call, without calling Azure DevOps and without using up a limit.

use calls::target::Target;
use calls::{Call, Calls};
use edge::gateway::Body;
use edge::problem::Problem;
use edge::respond;
use edge::wire::rfc3339;
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use vault::limits::Standing;

const DRY: &str = "x-ado-connect-dry";

pub(crate) fn is_wanted(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(DRY) {
        None => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(_) => Err(Problem::field(DRY, "1, or leave it out")),
    }
}

/// Describes a call: the address as it would be sent, and the state of policy and limits.
pub(crate) async fn describe(
    calls: &Calls,
    target: &Target,
    call: &Call,
    now: Timestamp,
) -> Result<Response<Body>, Problem> {
    let limits = calls.standings(target).await?;
    let refusal = target.permission(&call.headers, &call.body).err();
    let call_after = target.connection.call_after.filter(|time| *time > now);
    let mut body = json!({
        "connection": target.connection.id,
        "integration": target.integration.id,
        "method": target.method.as_str(),
        "host": target.address.host(),
        "path": target.address.path(),
        "query": target.address.url().query(),
        "organization": target.address.organization(),
        "allowed": refusal.is_none(),
        "call_after": call_after.map(rfc3339),
        "limits": limits.iter().map(view).collect::<Vec<_>>(),
    });
    if let Some(refusal) = refusal {
        let (code, detail) = (refusal.code().as_str(), refusal.detail_text());
        body["refusal"] = json!({"code": code, "detail": detail});
    }
    respond::json(StatusCode::OK, &body)
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

#[cfg(test)]
mod tests {
    use edge::problem::Code;
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_dry_run_is_asked_for_with_1_and_nothing_else() {
        let mut headers = HeaderMap::new();
        assert!(!is_wanted(&headers).unwrap());
        headers.insert(DRY, HeaderValue::from_static("1"));
        assert!(is_wanted(&headers).unwrap());
        headers.insert(DRY, HeaderValue::from_static("yes"));
        assert_eq!(is_wanted(&headers).unwrap_err().code(), Code::InvalidRequest);
    }
}
