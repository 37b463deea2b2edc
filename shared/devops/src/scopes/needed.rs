//! The scopes that a call needs, by the API's specification
//! (<https://github.com/MicrosoftDocs/vsts-rest-api-specs>, version 7.2), and by Microsoft's list of scopes where the
//! specification is silent. Any of those in a row suffices.

use http::Method;

use crate::address::Address;

type Scopes = &'static [&'static str];

/// Calls whose method decides otherwise than in [`AREAS`], such as questions that are sent by POST because they are long.
/// The path begins behind `_apis`, and `*` is one segment; the first row that begins the call's path applies.
const METHODS: &[(Method, &str, Scopes)] = &[
    (Method::DELETE, "alert", &["vso.advsec_manage"]),
    (Method::PATCH, "alert", &["vso.advsec_write"]),
    (Method::POST, "alert/repositories/*/alerts/metadatabatch", &["vso.advsec"]),
    (Method::POST, "alert/repositories/*/alertsbatch", &["vso.advsec"]),
    (Method::POST, "distributedtask/securefiles", &["vso.securefiles_write"]),
    (Method::POST, "distributedtask/taskgroups", &["vso.taskgroups_write"]),
    (Method::POST, "git/repositories/*/blobs", &["vso.code"]),
    (Method::POST, "git/repositories/*/commitsbatch", &["vso.code"]),
    (Method::POST, "git/repositories/*/itemsbatch", &["vso.code"]),
    (Method::POST, "git/repositories/*/pullrequestquery", &["vso.code"]),
    (Method::POST, "graph/requestaccess", &["vso.graph"]),
    (Method::POST, "graph/subjectlookup", &["vso.graph"]),
    (Method::POST, "graph/subjectquery", &["vso.graph"]),
    (Method::POST, "notification/subscriptionquery", &["vso.notification"]),
    (Method::DELETE, "packaging/feeds/*/maven/groups", &["vso.packaging_write"]),
    (Method::DELETE, "packaging", &["vso.packaging_manage"]),
    (Method::PATCH, "packaging", &["vso.packaging_manage"]),
    (Method::POST, "pipelines/checks/queryconfigurations", &["vso.build"]),
    (Method::POST, "pipelines/environments", &["vso.build_execute", "vso.environment_manage"]),
    (Method::POST, "pipelines/*/preview", &["vso.build"]),
    (Method::PATCH, "projects", &["vso.project_write"]),
    (Method::PATCH, "release/approvals", &["vso.release_manage"]),
    (Method::DELETE, "release", &["vso.release_manage"]),
    (Method::POST, "serviceendpoint/endpointproxy", &["vso.serviceendpoint_query"]),
    (Method::POST, "serviceendpoint/types", &["vso.serviceendpoint"]),
    (Method::DELETE, "symbol", &["vso.symbols_manage"]),
    (Method::POST, "tfvc/changesetsbatch", &["vso.code"]),
    (Method::POST, "tfvc/itembatch", &["vso.code"]),
    (Method::POST, "wiki/wikis/*/pagesbatch", &["vso.wiki"]),
    (Method::POST, "wit/artifacturiquery", &["vso.work"]),
    (Method::DELETE, "wit/attachments", &["vso.work_full"]),
    (Method::POST, "wit/queriesbatch", &["vso.work"]),
    (Method::POST, "wit/reporting/workitemrevisions", &["vso.work"]),
    (Method::POST, "wit/sendmail", &["vso.work"]),
    (Method::POST, "wit/wiql", &["vso.work"]),
    (Method::POST, "wit/workitemsbatch", &["vso.work"]),
];

/// The scopes that suffice for reading, and for everything else. The paths are as in [`METHODS`].
const AREAS: &[(&str, Scopes, Scopes)] = &[
    ("accesscontrolentries", &["vso.security_manage"], &["vso.security_manage"]),
    ("accesscontrollists", &["vso.security_manage"], &["vso.security_manage"]),
    ("accounts", &["vso.profile"], &["vso.profile_write"]),
    ("alert", &["vso.advsec"], &["vso.advsec_write", "vso.advsec_manage"]),
    ("audit/streams", &["vso.auditlog"], &["vso.auditstreams_manage"]),
    ("audit", &["vso.auditlog"], &["vso.auditlog"]),
    (
        "build/authorizedresources",
        &["vso.build"],
        &["vso.build_execute", "vso.pipelineresources_manage"],
    ),
    (
        "build/definitions/*/resources",
        &["vso.build"],
        &["vso.build_execute", "vso.pipelineresources_manage"],
    ),
    ("build/generalsettings", &["vso.project"], &["vso.project_write"]),
    ("build/workitems", &["vso.build", "vso.work"], &["vso.build_execute"]),
    ("build", &["vso.build"], &["vso.build_execute"]),
    ("dashboard", &["vso.dashboards"], &["vso.dashboards_manage"]),
    (
        "distributedtask/deploymentgroups",
        &["vso.machinegroup_manage"],
        &["vso.machinegroup_manage"],
    ),
    ("distributedtask/environments", &["vso.environment_manage"], &["vso.environment_manage"]),
    ("distributedtask/hubs", &[], &[]),
    ("distributedtask/securefiles", &["vso.securefiles_read"], &["vso.securefiles_manage"]),
    ("distributedtask/taskgroups", &["vso.taskgroups_read"], &["vso.taskgroups_manage"]),
    (
        "distributedtask/variablegroups",
        &["vso.variablegroups_read"],
        &["vso.variablegroups_manage"],
    ),
    ("distributedtask", &["vso.agentpools"], &["vso.agentpools_manage"]),
    (
        "extensionmanagement/installedextensions/*/*/data",
        &["vso.extension.data"],
        &["vso.extension.data_write"],
    ),
    (
        "extensionmanagement/installedextensionsbyname",
        &["vso.extension_manage"],
        &["vso.extension_manage"],
    ),
    ("extensionmanagement", &["vso.extension"], &["vso.extension_manage"]),
    ("favorite", &["vso.profile"], &["vso.profile_write"]),
    ("gallery", &["vso.gallery"], &["vso.gallery_publish", "vso.gallery_manage"]),
    ("git/favorites", &["vso.code"], &["vso.code"]),
    ("git/recyclebin", &["vso.code"], &["vso.code_manage"]),
    ("git/repositories/*/annotatedtags", &["vso.code"], &["vso.code_manage"]),
    ("git/repositories/*/cherrypicks", &["vso.code"], &["vso.code_manage"]),
    (
        "git/repositories/*/commits/*/statuses",
        &["vso.code", "vso.code_status"],
        &["vso.code_write", "vso.code_status"],
    ),
    ("git/repositories/*/importrequests", &["vso.code"], &["vso.code_manage"]),
    ("git/repositories/*/merges", &["vso.code"], &["vso.code_manage"]),
    (
        "git/repositories/*/pullrequests/*/iterations/*/statuses",
        &["vso.code", "vso.code_status"],
        &["vso.code_write", "vso.code_status"],
    ),
    (
        "git/repositories/*/pullrequests/*/statuses",
        &["vso.code", "vso.code_status"],
        &["vso.code_write", "vso.code_status"],
    ),
    (
        "git/repositories/*/pullrequests/*/threads",
        &["vso.code", "vso.threads_full"],
        &["vso.code_write", "vso.threads_full"],
    ),
    ("git/repositories/*/reverts", &["vso.code"], &["vso.code_manage"]),
    // Everything else below a repository is code. The repository itself needs a scope to manage.
    ("git/repositories/*/*", &["vso.code"], &["vso.code_write"]),
    ("git/repositories", &["vso.code"], &["vso.code_manage"]),
    ("git", &["vso.code"], &["vso.code_write"]),
    ("githubconnections", &["vso.githubconnections"], &["vso.githubconnections_manage"]),
    ("graph", &["vso.graph"], &["vso.graph_manage"]),
    (
        "groupentitlements",
        &["vso.memberentitlementmanagement"],
        &["vso.memberentitlementmanagement_write"],
    ),
    ("hooks/publishers/*/inputvaluesquery", &[], &[]),
    ("hooks", &["vso.work", "vso.build", "vso.code"], &["vso.work", "vso.build", "vso.code"]),
    ("identities", &["vso.identity"], &["vso.identity_manage"]),
    ("management", &["vso.advsec"], &["vso.advsec_manage"]),
    (
        "memberentitlements",
        &["vso.memberentitlementmanagement"],
        &["vso.memberentitlementmanagement_write"],
    ),
    (
        "notification/diagnosticlogs",
        &["vso.notification_diagnostics"],
        &["vso.notification_diagnostics"],
    ),
    (
        "notification/subscriptions/*/diagnostics",
        &["vso.notification"],
        &["vso.notification_write", "vso.notification_diagnostics"],
    ),
    ("notification", &["vso.notification"], &["vso.notification_write"]),
    ("packaging", &["vso.packaging"], &["vso.packaging_write"]),
    ("permissions", &[], &["vso.security_manage"]),
    ("permissionsreport", &["vso.security_manage"], &["vso.security_manage"]),
    ("pipelines/approvals", &["vso.build"], &["vso.build_execute", "vso.pipelineresources_use"]),
    (
        "pipelines/checks/configurations",
        &["vso.build"],
        &["vso.build_execute", "vso.pipelineresources_manage"],
    ),
    (
        "pipelines/environments",
        &["vso.build", "vso.environment_manage"],
        &["vso.environment_manage"],
    ),
    ("pipelines/pipelinepermissions", &["vso.build"], &["vso.pipelineresources_manage"]),
    ("pipelines", &["vso.build"], &["vso.build_execute"]),
    ("policy", &["vso.code"], &["vso.code_write"]),
    ("process", &["vso.work"], &["vso.work_write"]),
    ("profile", &["vso.profile"], &["vso.profile_write"]),
    ("projects", &["vso.profile", "vso.project"], &["vso.project_manage"]),
    ("provenance", &["vso.packaging"], &["vso.packaging_write"]),
    ("public/build", &["vso.build"], &["vso.build"]),
    ("release", &["vso.release"], &["vso.release_execute"]),
    ("reporting", &["vso.advsec"], &["vso.advsec_manage"]),
    ("search/codesearchresults", &["vso.code"], &["vso.code"]),
    ("search/packagesearchresults", &["vso.packaging"], &["vso.packaging"]),
    ("search/status", &["vso.code"], &["vso.code"]),
    ("search/wikisearchresults", &["vso.wiki"], &["vso.wiki"]),
    ("search/workitemsearchresults", &["vso.work"], &["vso.work"]),
    ("securityroles", &["vso.security_manage"], &["vso.security_manage"]),
    ("serviceendpoint", &["vso.serviceendpoint"], &["vso.serviceendpoint_manage"]),
    (
        "serviceprincipalentitlements",
        &["vso.memberentitlementmanagement"],
        &["vso.memberentitlementmanagement_write"],
    ),
    ("settings", &["vso.settings"], &["vso.settings_write"]),
    ("sourceproviders", &["vso.build"], &["vso.build_execute"]),
    ("symbol", &["vso.symbols"], &["vso.symbols_write"]),
    ("teams", &["vso.project"], &["vso.project_manage"]),
    ("test", &["vso.test"], &["vso.test_write"]),
    ("testplan", &["vso.test"], &["vso.test_write"]),
    ("testresults", &["vso.test"], &["vso.test_write"]),
    ("tfvc", &["vso.code"], &["vso.code_write"]),
    ("tokenadmin", &["vso.tokenadministration"], &["vso.tokenadministration"]),
    ("tokens", &["vso.pats"], &["vso.pats_manage"]),
    (
        "userentitlements",
        &["vso.memberentitlementmanagement"],
        &["vso.memberentitlementmanagement_write"],
    ),
    (
        "userentitlementsummary",
        &["vso.memberentitlementmanagement"],
        &["vso.memberentitlementmanagement_write"],
    ),
    ("wiki", &["vso.wiki"], &["vso.wiki_write"]),
    ("wit", &["vso.work"], &["vso.work_write"]),
    ("work", &["vso.work"], &["vso.work_write"]),
];

/// Returns the scopes of which one suffices for a call; none if that is not known.
pub fn needed(method: &Method, address: &Address) -> Scopes {
    let segments: Vec<_> = address.segments().map(str::to_ascii_lowercase).collect();
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    let after = |name: &str| {
        let at = segments.iter().position(|segment| *segment == name)?;
        segments.get(at + 1..)
    };
    if let Some(git) = after("_git") {
        return if git.contains(&"git-receive-pack") || pushes(address) {
            &["vso.code_write"]
        } else {
            &["vso.code"]
        };
    }
    if after("_odata").is_some() {
        return &["vso.analytics"];
    }
    if after("_packaging").is_some() {
        return if method.is_safe() { &["vso.packaging"] } else { &["vso.packaging_write"] };
    }
    after("_apis").map_or(&[], |path| of_api(method, path))
}

/// Returns the scopes for a path behind `_apis`.
fn of_api(method: &Method, path: &[&str]) -> Scopes {
    let of_method = METHODS.iter().find(|row| row.0 == *method && begins(row.1, path));
    if let Some((.., scopes)) = of_method {
        return scopes;
    }
    let row = AREAS.iter().find(|row| begins(row.0, path));
    row.map_or(&[], |(_, read, write)| if method.is_safe() { read } else { write })
}

/// Returns whether a pattern covers the first segments of a path.
fn begins(pattern: &str, path: &[&str]) -> bool {
    let mut path = path.iter();
    pattern
        .split('/')
        .all(|wanted| path.next().is_some_and(|segment| wanted == "*" || wanted == *segment))
}

/// Git announces a push in the query.
fn pushes(address: &Address) -> bool {
    address.url().query_pairs().any(|(_, value)| value == "git-receive-pack")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scopes::Scope;

    fn scopes(method: &Method, host: &str, path: &str) -> &'static [&'static str] {
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let address = Address::parse(host, path, query, &["mycompany".parse().unwrap()]).unwrap();
        needed(method, &address)
    }

    #[test]
    fn every_named_scope_exists() {
        let areas = AREAS.iter().map(|(path, read, write)| (path, [*read, *write].concat()));
        let methods = METHODS.iter().map(|(_, path, scopes)| (path, scopes.to_vec()));
        for (path, scopes) in areas.chain(methods) {
            for name in scopes {
                assert!(Scope::parse(name).is_some(), "{path}: {name}");
            }
        }
    }

    #[test]
    fn every_row_is_reached() {
        let segments =
            |path: &'static str| path.split('/').map(|part| if part == "*" { "x" } else { part });
        for (at, (path, ..)) in AREAS.iter().enumerate() {
            let path: Vec<_> = segments(path).collect();
            let first = AREAS.iter().position(|row| begins(row.0, &path));
            assert_eq!(first, Some(at), "{path:?}");
        }
        for (at, (method, path, _)) in METHODS.iter().enumerate() {
            let path: Vec<_> = segments(path).collect();
            let first = METHODS.iter().position(|row| row.0 == *method && begins(row.1, &path));
            assert_eq!(first, Some(at), "{method} {path:?}");
        }
    }

    #[test]
    fn narrow_scopes_suffice_where_microsoft_says_so() {
        let repository = "/mycompany/Website/_apis/git/repositories/Website";
        let of = |method: &Method, path: &str| scopes(method, "dev.azure.com", path);
        for (path, read, write) in [
            (
                "pullRequests/1/threads",
                ["vso.code", "vso.threads_full"],
                ["vso.code_write", "vso.threads_full"],
            ),
            (
                "pullRequests/1/threads/2/comments/3",
                ["vso.code", "vso.threads_full"],
                ["vso.code_write", "vso.threads_full"],
            ),
            (
                "commits/abc/statuses",
                ["vso.code", "vso.code_status"],
                ["vso.code_write", "vso.code_status"],
            ),
            (
                "pullRequests/1/statuses/2",
                ["vso.code", "vso.code_status"],
                ["vso.code_write", "vso.code_status"],
            ),
            (
                "pullRequests/1/iterations/2/statuses",
                ["vso.code", "vso.code_status"],
                ["vso.code_write", "vso.code_status"],
            ),
        ] {
            let path = format!("{repository}/{path}");
            assert_eq!(of(&Method::GET, &path), read, "{path}");
            for method in [Method::POST, Method::PATCH, Method::DELETE] {
                assert_eq!(of(&method, &path), write, "{method} {path}");
            }
        }
        let approvals = of(&Method::PATCH, "/mycompany/Website/_apis/pipelines/approvals");
        assert_eq!(approvals, ["vso.build_execute", "vso.pipelineresources_use"]);
    }

    #[test]
    fn a_question_by_post_needs_the_scope_to_read() {
        for (host, path, expected) in [
            ("dev.azure.com", "/mycompany/Website/My%20Team/_apis/wit/wiql", "vso.work"),
            ("dev.azure.com", "/mycompany/_apis/wit/workitemsbatch", "vso.work"),
            ("dev.azure.com", "/mycompany/Website/_apis/wit/queriesbatch", "vso.work"),
            ("dev.azure.com", "/mycompany/_apis/wit/reporting/workItemRevisions", "vso.work"),
            ("dev.azure.com", "/mycompany/_apis/wit/artifactUriQuery", "vso.work"),
            ("dev.azure.com", "/mycompany/_apis/git/repositories/r/pullRequestQuery", "vso.code"),
            ("dev.azure.com", "/mycompany/_apis/git/repositories/r/blobs", "vso.code"),
            ("dev.azure.com", "/mycompany/_apis/tfvc/itembatch", "vso.code"),
            ("dev.azure.com", "/mycompany/p/_apis/wiki/wikis/w/pagesbatch", "vso.wiki"),
            ("dev.azure.com", "/mycompany/p/_apis/pipelines/7/preview", "vso.build"),
            ("vssps.dev.azure.com", "/mycompany/_apis/graph/subjectquery", "vso.graph"),
            (
                "almsearch.dev.azure.com",
                "/mycompany/_apis/search/workitemsearchresults",
                "vso.work",
            ),
            ("almsearch.dev.azure.com", "/mycompany/_apis/search/codesearchresults", "vso.code"),
        ] {
            assert_eq!(scopes(&Method::POST, host, path), [expected], "{path}");
        }
        // A name is not a question.
        let tag = "/mycompany/_apis/wit/tags/wiql";
        assert_eq!(scopes(&Method::PATCH, "dev.azure.com", tag), ["vso.work_write"]);
    }

    #[test]
    fn area_resource_and_method_decide() {
        let core = |method: &Method, path| scopes(method, "dev.azure.com", path);
        for (path, expected) in [
            ("/mycompany/Website/_apis/wit/workitems/1", "vso.work"),
            ("/mycompany/My%20Project/_APIS/WIT/workitems", "vso.work"),
            ("/mycompany/DefaultCollection/_apis/git/repositories", "vso.code"),
            ("/mycompany/_apis/build/builds", "vso.build"),
            ("/mycompany/_git/Website/info/refs?service=git-upload-pack", "vso.code"),
            ("/mycompany/_git/Website/info/refs?service=git-receive-pack", "vso.code_write"),
            ("/mycompany/_apis/distributedtask/variablegroups/1", "vso.variablegroups_read"),
            ("/mycompany/_apis/distributedtask/pools", "vso.agentpools"),
        ] {
            assert_eq!(core(&Method::GET, path), [expected], "{path}");
        }
        for (path, expected) in [
            ("/mycompany/Website/_apis/wit/workitems/$Task", "vso.work_write"),
            ("/mycompany/Website/_apis/wit/wiql", "vso.work"),
            ("/mycompany/_apis/wit/workitemsbatch", "vso.work"),
            ("/mycompany/_apis/git/repositories", "vso.code_manage"),
            ("/mycompany/_apis/git/repositories/Website/pullrequests", "vso.code_write"),
            ("/mycompany/_apis/git/repositories/Website/commitsbatch", "vso.code"),
            ("/mycompany/_git/Website/git-receive-pack", "vso.code_write"),
        ] {
            assert_eq!(core(&Method::POST, path), [expected], "{path}");
        }
        assert_eq!(core(&Method::GET, "/mycompany/_apis/projects"), ["vso.profile", "vso.project"]);
        assert!(core(&Method::GET, "/mycompany/_apis/connectionData").is_empty());
        assert!(core(&Method::GET, "/mycompany/_apis").is_empty());
        assert!(core(&Method::GET, "/mycompany/Website").is_empty());
        let host = "app.vssps.visualstudio.com";
        assert_eq!(scopes(&Method::GET, host, "/_apis/profile/profiles/me"), ["vso.profile"]);
    }
}
