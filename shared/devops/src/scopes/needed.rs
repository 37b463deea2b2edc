//! The scopes that a call needs, by Microsoft's list of scopes and the API's specification. Any of those in a row
//! suffices.

use http::Method;

use crate::address::Address;

/// One area of the API: the scopes that suffice for reading, and for everything else.
type Area = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Segments behind the area, and the scopes that apply there instead.
const RESOURCES: &[Area] = &[
    (
        "distributedtask/deploymentgroups",
        &["vso.machinegroup_manage"],
        &["vso.machinegroup_manage"],
    ),
    ("distributedtask/environments", &["vso.environment_manage"], &["vso.environment_manage"]),
    ("distributedtask/securefiles", &["vso.securefiles_read"], &["vso.securefiles_manage"]),
    ("distributedtask/taskgroups", &["vso.taskgroups_read"], &["vso.taskgroups_write"]),
    ("distributedtask/variablegroups", &["vso.variablegroups_read"], &["vso.variablegroups_write"]),
    ("git/repositories", &["vso.code"], &["vso.code_manage"]),
    ("search/codesearchresults", &["vso.code"], &["vso.code"]),
    ("search/packagesearchresults", &["vso.packaging"], &["vso.packaging"]),
    ("search/wikisearchresults", &["vso.wiki"], &["vso.wiki"]),
    ("search/workitemsearchresults", &["vso.work"], &["vso.work"]),
    ("audit/streams", &["vso.auditlog"], &["vso.auditstreams_manage"]),
];

/// The areas, as the segment behind `_apis`.
const AREAS: &[Area] = &[
    ("accesscontrolentries", &["vso.security_manage"], &["vso.security_manage"]),
    ("accesscontrollists", &["vso.security_manage"], &["vso.security_manage"]),
    ("accounts", &["vso.profile"], &["vso.profile_write"]),
    ("alert", &["vso.advsec"], &["vso.advsec_write", "vso.advsec_manage"]),
    ("audit", &["vso.auditlog"], &["vso.auditlog"]),
    ("build", &["vso.build"], &["vso.build_execute"]),
    ("dashboard", &["vso.dashboards"], &["vso.dashboards_manage"]),
    ("distributedtask", &["vso.agentpools"], &["vso.agentpools_manage"]),
    ("extensionmanagement", &["vso.extension"], &["vso.extension_manage"]),
    ("gallery", &["vso.gallery"], &["vso.gallery_publish", "vso.gallery_manage"]),
    ("git", &["vso.code"], &["vso.code_write"]),
    ("graph", &["vso.graph"], &["vso.graph_manage"]),
    (
        "groupentitlements",
        &["vso.memberentitlementmanagement"],
        &["vso.memberentitlementmanagement_write"],
    ),
    ("hooks", &["vso.hooks"], &["vso.hooks_write"]),
    ("identities", &["vso.identity"], &["vso.identity_manage"]),
    ("notification", &["vso.notification"], &["vso.notification_write"]),
    ("packaging", &["vso.packaging"], &["vso.packaging_write"]),
    ("pipelines", &["vso.build"], &["vso.build_execute"]),
    ("policy", &["vso.code"], &["vso.code_write"]),
    ("profile", &["vso.profile"], &["vso.profile_write"]),
    ("projects", &["vso.profile", "vso.project"], &["vso.project_manage"]),
    ("release", &["vso.release"], &["vso.release_execute", "vso.release_manage"]),
    ("securityroles", &["vso.security_manage"], &["vso.security_manage"]),
    ("serviceendpoint", &["vso.serviceendpoint"], &["vso.serviceendpoint_manage"]),
    ("settings", &["vso.settings"], &["vso.settings_write"]),
    ("symbol", &["vso.symbols"], &["vso.symbols_write"]),
    ("teams", &["vso.profile", "vso.project"], &["vso.project_manage"]),
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
    ("wiki", &["vso.wiki"], &["vso.wiki_write"]),
    ("wit", &["vso.work"], &["vso.work_write"]),
    ("work", &["vso.work"], &["vso.work_write"]),
];

/// Resources that are read by POST, because the question is long.
const ASKED_BY_POST: &[&str] = &[
    "commitsbatch",
    "itemsbatch",
    "pagesbatch",
    "pullrequestquery",
    "queriesbatch",
    "wiql",
    "workitemsbatch",
    "workitemslinks",
];

/// Returns the scopes of which one suffices for a call; none if that is not known.
pub fn needed(method: &Method, address: &Address) -> &'static [&'static str] {
    let segments: Vec<_> = address.segments().map(|segment| segment.to_ascii_lowercase()).collect();
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
    let Some([area, rest @ ..]) = after("_apis") else { return &[] };
    let resource = rest.first().map(|resource| format!("{area}/{resource}"));
    let named = |(name, ..): &&Area| {
        // Creating, renaming and deleting a repository needs a scope to manage; everything below a repository is code.
        resource.as_deref() == Some(name) && (*name != "git/repositories" || rest.len() <= 2)
    };
    let row = RESOURCES.iter().find(named).or_else(|| AREAS.iter().find(|row| row.0 == *area));
    let reads = method.is_safe() || rest.iter().any(|segment| ASKED_BY_POST.contains(segment));
    row.map_or(&[], |(_, read, write)| if reads { read } else { write })
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
        for (area, read, write) in RESOURCES.iter().chain(AREAS) {
            assert!(!read.is_empty() && !write.is_empty(), "{area}");
            for name in read.iter().chain(*write) {
                assert!(Scope::parse(name).is_some(), "{area}: {name}");
            }
        }
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
        let host = "almsearch.dev.azure.com";
        let search = "/mycompany/_apis/search/codesearchresults";
        assert_eq!(scopes(&Method::POST, host, search), ["vso.code"]);
    }
}
