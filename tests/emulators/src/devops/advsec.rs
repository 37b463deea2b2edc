//! Alerts of Advanced Security: one secret and one dependency of each repository.

use serde_json::{Value, json};

use super::call::{Call, ok};
use super::failure::{Answer, Failure};
use super::routes::{Level, Route};

const READ: &[&str] = &["vso.advsec"];

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "alerts.list",
        "GET",
        "alert/repositories/{repository}/alerts",
        Level::Project,
        READ,
        alerts,
    ),
    Route::new(
        "alerts.get",
        "GET",
        "alert/repositories/{repository}/alerts/{id}",
        Level::Project,
        READ,
        alert,
    ),
];

fn all(call: &Call<'_>) -> Result<Vec<Value>, Failure> {
    call.require_preview()?;
    let (wanted, project) =
        (call.parameter("repository"), call.project().map(|project| project.id));
    let repository = call.organization.repositories.iter().find(|repository| {
        Some(repository.project) == project
            && (repository.name.eq_ignore_ascii_case(wanted) || repository.id.to_string() == wanted)
    });
    let repository = repository.ok_or_else(|| Failure::repository(wanted))?;
    let alert = |id: u64, kind: &str, severity: &str, state: &str, title: &str| {
        json!({
            "alertId": id,
            "severity": severity,
            "title": title,
            "tools": [{"name": "Advanced Security", "rules": [{"opaqueId": "SEC101/156", "friendlyName": title}]}],
            "repositoryUrl": format!("{}/_git/{}", call.base(), repository.name),
            "gitRef": "refs/heads/main",
            "alertType": kind,
            "firstSeenDate": "2026-01-05T08:00:00.1234567Z",
            "lastSeenDate": "2026-02-05T08:00:00.1234567Z",
            "fixedDate": null,
            "introducedDate": "2026-01-05T08:00:00.1234567Z",
            "state": state,
            "dismissal": null,
            "physicalLocations": [{"filePath": "/src/app.js", "region": {"lineStart": 1, "lineEnd": 1}}],
            "confidence": "high",
        })
    };
    Ok(vec![
        alert(1, "secret", "critical", "active", "A key in the code"),
        alert(2, "dependency", "high", "fixed", "An old library"),
        alert(3, "code", "medium", "active", "Text without encoding"),
    ])
}

/// `top` and `continuationToken`, without a dollar sign; lists of criteria are joined by commas, which is not certain.
fn alerts(call: &mut Call<'_>) -> Answer {
    let allows = |name: &str, value: &Value| {
        let wanted = call.query.get_any_case(&format!("criteria.{name}"));
        let value = value.as_str().unwrap_or_default();
        wanted.is_none_or(|wanted| wanted.split(',').any(|one| one.eq_ignore_ascii_case(value)))
    };
    let found: Vec<Value> = all(call)?
        .into_iter()
        .filter(|alert| allows("alertType", &alert["alertType"]))
        .filter(|alert| allows("states", &alert["state"]))
        .filter(|alert| allows("severities", &alert["severity"]))
        .filter(|alert| allows("ref", &alert["gitRef"]))
        .collect();
    let number = |name: &str| call.query.get_any_case(name).and_then(|value| value.parse().ok());
    let (start, top) =
        (number("continuationToken").unwrap_or(0_usize), number("top").unwrap_or(100));
    let page: Vec<Value> = found.iter().skip(start).take(top).cloned().collect();
    let reply = super::call::list(&page);
    let end = start + page.len();
    Ok(if end < found.len() { reply.header("x-ms-continuationtoken", end) } else { reply })
}

fn alert(call: &mut Call<'_>) -> Answer {
    let id = call.number("id");
    let found = all(call)?.into_iter().find(|alert| alert["alertId"].as_u64() == id);
    ok(&found.ok_or_else(|| Failure::not_found("The alert"))?)
}
