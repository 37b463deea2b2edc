//! Findings for settings that let access outlive the integration, or bypass its rules.

use devops::closed::ClosedArea;
use vault::integrations::Settings;

use super::{Finding, ok, warning};

/// Reports each closed area that is open, and a token hand-out beside rules of calls.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let opened: Vec<ClosedArea> =
        ClosedArea::ALL.into_iter().filter(|area| settings.opens(*area)).collect();
    let check = "closed_areas";
    let mut findings: Vec<Finding> = opened.iter().map(|area| finding(check, *area)).collect();
    if opened.is_empty() {
        let detail = "no call passes that hands out credentials or sends events elsewhere";
        findings.push(ok(check, detail.to_owned()));
    }
    if settings.allow_token_handout && !settings.allowed_calls.is_empty() {
        findings.push(warning(
            "token_handout",
            "access tokens are handed out, and allowed_calls does not bind whoever has one".to_owned(),
            "Set allow_token_handout to false, or narrow the scopes: they are the only limit of a token that was handed out.",
        ));
    }
    findings
}

fn finding(check: &'static str, area: ClosedArea) -> Finding {
    let setting = area.setting();
    warning(
        check,
        format!("{setting} is set: calls pass that {}", area.risk()),
        &format!(
            "Set {setting} to false unless the application cannot do without. Narrow scopes are the second wall."
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::operations::verify::FindingStatus;

    fn findings(changes: &Value) -> Vec<(&'static str, FindingStatus)> {
        let mut settings = json!({
            "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
            "organizations": ["mycompany"],
            "scopes": ["vso.code"],
        });
        for (name, value) in changes.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let findings = check(&serde_json::from_value(settings).unwrap());
        findings.into_iter().map(|finding| (finding.check, finding.status)).collect()
    }

    #[test]
    fn an_operator_is_warned_of_each_way_around_the_rules() {
        let warned = |check| (check, FindingStatus::Warning);
        let fine = ("closed_areas", FindingStatus::Ok);
        let rules = json!([{"methods": ["GET"]}]);
        for (changes, expected) in [
            (json!({}), vec![fine]),
            (json!({"allow_hook_calls": true}), vec![warned("closed_areas")]),
            (
                json!({"allow_credential_calls": true, "allow_contribution_calls": true}),
                vec![warned("closed_areas"); 2],
            ),
            (json!({"allow_token_handout": true}), vec![fine]),
            (json!({"allowed_calls": rules}), vec![fine]),
            (
                json!({"allow_token_handout": true, "allowed_calls": rules}),
                vec![fine, warned("token_handout")],
            ),
        ] {
            assert_eq!(findings(&changes), expected, "{changes}");
        }
    }
}
