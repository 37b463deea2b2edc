//! The refusal of a call for which the connection lacks a scope: the scopes that it has, the one that would do, and the
//! next step.

use devops::scopes::{covers, needed};
use edge::problem::{Code, Problem};

use crate::target::Target;

/// Returns the first of the needed scopes that these scopes cover.
pub(crate) fn covered<'a>(scopes: &[String], needed: &[&'a str]) -> Option<&'a str> {
    needed.iter().copied().find(|scope| covers(scopes, scope))
}

/// Returns the problem of a call that Azure DevOps refuses although it accepts the token elsewhere.
pub(crate) fn lacking(target: &Target) -> Problem {
    let needed = needed(&target.method, &target.address);
    let settings = &target.integration.settings;
    let detail = detail(&target.connection.scopes, settings.scopes.names(), needed);
    Problem::new(Code::InsufficientScope).detail(detail)
}

fn detail(granted: &[String], requested: &[String], needed: &[&str]) -> String {
    let has = match granted {
        [] => "The connection has no scope.".to_owned(),
        granted => format!("The connection has the scopes {}.", granted.join(", ")),
    };
    let alternatives = needed.join(" or ");
    let step = if needed.is_empty() {
        "Microsoft's documentation of the call names the scope that it needs.".to_owned()
    } else if let Some(scope) = covered(granted, needed) {
        format!(
            "{scope}, which is among or included in them, should do; the organization's policies may forbid the call."
        )
    } else if let Some(scope) = covered(requested, needed) {
        format!(
            "The call needs {alternatives}. The integration asks for {scope}, but Entra did not grant it: add it to the app \
             registration's permissions, have it consented to, and let the user connect again."
        )
    } else {
        format!(
            "The call needs {alternatives}: add it to the app registration's permissions and to the integration's scopes, \
             and let the user connect again."
        )
    };
    format!("Azure DevOps accepts the connection's token, but not for this call. {has} {step}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_detail_has_the_scopes_and_the_next_step() {
        let code = names(&["vso.code", "vso.project"]);
        let of = |requested: &[&str], needed: &[&str]| detail(&code, &names(requested), needed);
        let has = "The connection has the scopes vso.code, vso.project.";
        let lacks = of(&["vso.code", "vso.project"], &["vso.work"]);
        assert!(lacks.contains(has) && lacks.contains("needs vso.work: add it"), "{lacks}");
        let not_granted = of(&["vso.code", "vso.work_write"], &["vso.work"]);
        assert!(not_granted.contains("asks for vso.work, but Entra did not"), "{not_granted}");
        let covered = of(&["vso.code"], &["vso.project", "vso.profile"]);
        assert!(covered.contains("vso.project, which is among"), "{covered}");
        let unknown = of(&["vso.code"], &[]);
        assert!(unknown.contains("Microsoft's documentation"), "{unknown}");
        assert!(detail(&[], &code, &["vso.work"]).contains("has no scope"));
    }
}
