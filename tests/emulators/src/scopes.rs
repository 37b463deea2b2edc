//! The permission scopes of Azure DevOps, each with the scopes that it includes.

/// Application id of Azure DevOps in Entra, the same in every tenant.
pub const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// Whether Azure DevOps has a scope of this name (without the resource in front).
pub(crate) fn exists(name: &str) -> bool {
    CATALOGUE.iter().any(|(scope, _)| *scope == name)
}

/// Whether the scopes `granted` include the scope `needed`.
pub(crate) fn allows(granted: &[String], needed: &str) -> bool {
    granted.iter().any(|scope| {
        scope == "user_impersonation"
            || scope == needed
            || CATALOGUE.iter().any(|(name, included)| name == scope && included.contains(&needed))
    })
}

/// Scope name, and every scope it includes, directly or not.
const CATALOGUE: &[(&str, &[&str])] = &[
    ("vso.advsec", &[]),
    ("vso.advsec_write", &["vso.advsec"]),
    ("vso.advsec_manage", &["vso.advsec_write", "vso.advsec"]),
    ("vso.agentpools", &[]),
    ("vso.agentpools_manage", &["vso.agentpools"]),
    ("vso.environment_manage", &["vso.agentpools_manage", "vso.agentpools"]),
    ("vso.analytics", &[]),
    ("vso.auditlog", &[]),
    ("vso.auditstreams_manage", &["vso.auditlog"]),
    ("vso.build", &["vso.hooks_write", "vso.hooks", "vso.profile"]),
    ("vso.build_execute", &["vso.build", "vso.hooks_write", "vso.hooks", "vso.profile"]),
    ("vso.code", &["vso.hooks_write", "vso.hooks", "vso.profile"]),
    ("vso.code_write", &["vso.code", "vso.hooks_write", "vso.hooks", "vso.profile"]),
    (
        "vso.code_manage",
        &["vso.code_write", "vso.code", "vso.hooks_write", "vso.hooks", "vso.profile"],
    ),
    (
        "vso.code_full",
        &[
            "vso.code_manage",
            "vso.code_write",
            "vso.code",
            "vso.hooks_write",
            "vso.hooks",
            "vso.profile",
        ],
    ),
    ("vso.code_status", &[]),
    ("vso.connected_server", &[]),
    ("vso.entitlements", &[]),
    ("vso.memberentitlementmanagement", &[]),
    ("vso.memberentitlementmanagement_write", &["vso.memberentitlementmanagement"]),
    ("vso.extension", &["vso.profile"]),
    ("vso.extension_manage", &["vso.extension", "vso.profile"]),
    ("vso.extension.data", &["vso.profile"]),
    ("vso.extension.data_write", &["vso.extension.data", "vso.profile"]),
    ("vso.githubconnections", &[]),
    ("vso.githubconnections_manage", &["vso.githubconnections"]),
    ("vso.graph", &[]),
    ("vso.graph_manage", &["vso.graph"]),
    ("vso.identity", &[]),
    ("vso.identity_manage", &["vso.identity"]),
    ("vso.machinegroup_manage", &["vso.agentpools_manage", "vso.agentpools"]),
    ("vso.gallery", &["vso.profile"]),
    ("vso.gallery_acquire", &["vso.gallery", "vso.profile"]),
    ("vso.gallery_publish", &["vso.gallery", "vso.profile"]),
    ("vso.gallery_manage", &["vso.gallery_publish", "vso.gallery", "vso.profile"]),
    ("vso.notification", &["vso.profile"]),
    ("vso.notification_write", &["vso.notification", "vso.profile"]),
    ("vso.notification_manage", &["vso.notification_write", "vso.notification", "vso.profile"]),
    ("vso.notification_diagnostics", &["vso.notification", "vso.profile"]),
    ("vso.packaging", &["vso.profile"]),
    ("vso.packaging_write", &["vso.packaging", "vso.profile"]),
    ("vso.packaging_manage", &["vso.packaging_write", "vso.packaging", "vso.profile"]),
    ("vso.pipelineresources_use", &[]),
    ("vso.pipelineresources_manage", &["vso.pipelineresources_use"]),
    ("vso.project", &[]),
    ("vso.project_write", &["vso.project"]),
    ("vso.project_manage", &["vso.project_write", "vso.project"]),
    ("vso.release", &["vso.profile"]),
    ("vso.release_execute", &["vso.release", "vso.profile"]),
    ("vso.release_manage", &["vso.release_execute", "vso.release", "vso.profile"]),
    ("vso.securefiles_read", &[]),
    ("vso.securefiles_write", &["vso.securefiles_read"]),
    ("vso.securefiles_manage", &["vso.securefiles_write", "vso.securefiles_read"]),
    ("vso.security_manage", &[]),
    ("vso.serviceendpoint", &["vso.profile"]),
    ("vso.serviceendpoint_query", &["vso.serviceendpoint", "vso.profile"]),
    (
        "vso.serviceendpoint_manage",
        &["vso.serviceendpoint_query", "vso.serviceendpoint", "vso.profile"],
    ),
    ("vso.hooks", &["vso.profile"]),
    ("vso.hooks_write", &["vso.hooks", "vso.profile"]),
    ("vso.hooks_interact", &["vso.profile"]),
    ("vso.settings", &[]),
    ("vso.settings_write", &["vso.settings"]),
    ("vso.symbols", &["vso.profile"]),
    ("vso.symbols_write", &["vso.symbols", "vso.profile"]),
    ("vso.symbols_manage", &["vso.symbols_write", "vso.symbols", "vso.profile"]),
    ("vso.taskgroups_read", &[]),
    ("vso.taskgroups_write", &["vso.taskgroups_read"]),
    ("vso.taskgroups_manage", &["vso.taskgroups_write", "vso.taskgroups_read"]),
    ("vso.dashboards", &[]),
    ("vso.dashboards_manage", &["vso.dashboards"]),
    ("vso.test", &["vso.profile"]),
    ("vso.test_write", &["vso.test", "vso.profile"]),
    ("vso.threads_full", &[]),
    ("vso.tokens", &[]),
    ("vso.tokenadministration", &[]),
    ("vso.profile", &[]),
    ("vso.profile_write", &["vso.profile"]),
    ("vso.variablegroups_read", &[]),
    ("vso.variablegroups_write", &["vso.variablegroups_read"]),
    ("vso.variablegroups_manage", &["vso.variablegroups_write", "vso.variablegroups_read"]),
    ("vso.wiki", &[]),
    ("vso.wiki_write", &["vso.wiki"]),
    ("vso.work", &["vso.hooks_write", "vso.hooks", "vso.profile"]),
    ("vso.work_write", &["vso.work", "vso.hooks_write", "vso.hooks", "vso.profile"]),
    (
        "vso.work_full",
        &["vso.work_write", "vso.work", "vso.hooks_write", "vso.hooks", "vso.profile"],
    ),
    ("user_impersonation", &[]),
    ("vso.pats", &[]),
    ("vso.pats_manage", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_scopes_include_narrower_ones() {
        let granted = ["vso.code_write".to_owned()];
        assert!(allows(&granted, "vso.code"));
        assert!(allows(&granted, "vso.profile"));
        assert!(!allows(&granted, "vso.code_manage"));
        assert!(allows(&["user_impersonation".to_owned()], "vso.work_full"));
    }

    #[test]
    fn every_included_scope_exists() {
        assert_eq!(CATALOGUE.len(), 88);
        for (_, included) in CATALOGUE {
            assert!(included.iter().all(|scope| exists(scope)));
        }
    }
}
