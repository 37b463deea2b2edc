//! The scopes of Azure DevOps: their rights, the scopes that they include, and their spelling in Entra.

mod catalogue;
mod needed;

pub use catalogue::CATALOGUE;
pub use needed::needed;

/// The application ID of Azure DevOps in Entra, which prefixes its scopes.
pub const RESOURCE_ID: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// The ways in which Entra names the resource in front of a scope. It writes what the request named, or its own.
const PREFIXES: &[&str] = &[
    RESOURCE_ID,
    "api://499b84ac-1321-427f-aa17-267ca6975798",
    "https://app.vssps.visualstudio.com",
];
/// The scope that contains all others.
pub const EVERYTHING: &str = "user_impersonation";
/// Stands for all permissions of the app registration.
const DEFAULT: &str = ".default";

/// One scope.
#[derive(Debug, PartialEq, Eq)]
pub struct Scope {
    /// The name in the configuration, such as `vso.code`.
    pub name: &'static str,
    /// The label in a checklist.
    pub title: &'static str,
    /// The rights beyond those of the included scopes, as one sentence.
    pub grants: &'static str,
    /// Whether Microsoft counts it as high-privilege.
    pub high_privilege: bool,
    /// All the scopes that it includes.
    pub includes: &'static [&'static str],
}

impl Scope {
    /// Returns the scope of this name.
    pub fn parse(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|scope| scope.name == name)
    }
}

/// Returns configured scopes in the spelling of a request to Entra.
pub fn request(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{RESOURCE_ID}/{name}")).collect()
}

/// Returns the scopes that Entra granted, in the spelling of the configuration and without those of other resources;
/// `None` if the answer grants what was asked for without naming it (RFC 6749 section 5.1). Entra repeats a request for
/// `.default`, mostly beside what that means.
pub fn granted(scopes: &[String]) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for name in scopes.iter().filter_map(|scope| bare(scope)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let is_default = names.iter().any(|name| name == DEFAULT);
    names.retain(|name| name != DEFAULT);
    let is_unnamed = scopes.is_empty() || (is_default && names.is_empty());
    (!is_unnamed).then_some(names)
}

/// Returns the name of a scope of Azure DevOps without the resource's prefix. Scopes are compared without regard to case
/// (Entra's own comparison), and a known name may lack the prefix.
fn bare(scope: &str) -> Option<String> {
    let scope = scope.trim();
    let starts = |prefix: &&&str| {
        scope.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let known = |name: &str| CATALOGUE.iter().find(|scope| scope.name.eq_ignore_ascii_case(name));
    let Some(prefix) = PREFIXES.iter().find(starts) else {
        return known(scope).map(|scope| scope.name.to_owned());
    };
    // Entra sometimes writes `//` after a resource that ends with a slash.
    let name = scope.get(prefix.len()..)?.strip_prefix('/')?.trim_start_matches('/');
    let name = known(name).map_or_else(|| name.to_ascii_lowercase(), |scope| scope.name.to_owned());
    Some(name).filter(|name| !name.is_empty())
}

/// Returns whether `wanted` is one of `configured`, or included in one of them.
pub fn covers(configured: &[String], wanted: &str) -> bool {
    if Scope::parse(wanted).is_none() {
        return false;
    }
    configured.iter().any(|name| {
        name == wanted
            || name == EVERYTHING
            || Scope::parse(name).is_some_and(|scope| scope.includes.contains(&wanted))
    })
}

/// Returns the requested scopes that are neither granted nor included in a granted one.
pub fn missing(requested: &[String], granted: &[String]) -> Vec<String> {
    let is_missing = |name: &&String| !granted.contains(name) && !covers(granted, name);
    requested.iter().filter(is_missing).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_catalogue_is_complete_unique_and_closed() {
        assert_eq!(CATALOGUE.len(), 88);
        let distinct: HashSet<_> = CATALOGUE.iter().map(|scope| scope.name).collect();
        assert_eq!(distinct.len(), CATALOGUE.len());
        for scope in CATALOGUE {
            assert!(scope.grants.ends_with('.') && !scope.title.is_empty(), "{}", scope.name);
            for included in scope.includes {
                let Some(included) = Scope::parse(included) else {
                    panic!("{included} is unknown")
                };
                assert_ne!(included, scope, "a scope does not include itself");
                assert!(!included.includes.contains(&scope.name), "{} is in a circle", scope.name);
                for further in included.includes {
                    assert!(scope.includes.contains(further), "{} lacks {further}", scope.name);
                }
            }
        }
    }

    #[test]
    fn included_scopes_are_covered() {
        assert!(covers(&names(&["vso.code_write"]), "vso.code"));
        assert!(covers(&names(&["vso.code"]), "vso.profile"));
        assert!(covers(&names(&["user_impersonation"]), "vso.work_full"));
        assert!(!covers(&names(&["vso.code"]), "vso.code_write"));
        assert!(!covers(&names(&["user_impersonation"]), "vso.everything"));
        assert_eq!(
            missing(&names(&["vso.code", "vso.work"]), &names(&["vso.code_full"])),
            ["vso.work"]
        );
    }

    #[test]
    fn entra_s_spelling_is_read_and_written() {
        assert_eq!(
            request(&names(&["vso.code"])),
            ["499b84ac-1321-427f-aa17-267ca6975798/vso.code"]
        );
        let answer = names(&[
            "openid",
            "profile",
            "499b84ac-1321-427f-aa17-267ca6975798/vso.code",
            "https://app.vssps.visualstudio.com//vso.work",
            "https://graph.microsoft.com/User.Read",
        ]);
        let granted = |scopes: &[&str]| granted(&names(scopes));
        assert_eq!(super::granted(&answer).unwrap(), ["vso.code", "vso.work"]);
        for spelling in [
            "499B84AC-1321-427F-AA17-267CA6975798/VSO.Code",
            "api://499b84ac-1321-427f-aa17-267ca6975798/vso.code",
            "https://APP.vssps.visualstudio.com/vso.code",
            "vso.code",
            "Vso.Code",
        ] {
            assert_eq!(granted(&[spelling, spelling]).unwrap(), ["vso.code"], "{spelling}");
        }
        let default = "499b84ac-1321-427f-aa17-267ca6975798/.default";
        assert_eq!(granted(&[default]), None);
        assert_eq!(granted(&[]), None);
        assert_eq!(
            granted(&[default, "499b84ac-1321-427f-aa17-267ca6975798/vso.code"]).unwrap(),
            ["vso.code"]
        );
        let others = granted(&["email", "https://graph.microsoft.com/.default", ""]);
        assert_eq!(others, Some(Vec::new()));
    }

    #[test]
    fn scopes_beyond_the_requested_ones_are_not_missing() {
        let requested = names(&["vso.code", "vso.work"]);
        assert!(missing(&requested, &names(&["vso.work_full", "vso.code", "vso.new"])).is_empty());
        assert!(missing(&requested, &names(&["user_impersonation"])).is_empty());
        assert_eq!(missing(&names(&["user_impersonation"]), &requested), ["user_impersonation"]);
        assert_eq!(missing(&requested, &[]), requested);
        let newer = names(&["vso.newer_than_the_catalogue"]);
        assert!(missing(&newer, &newer).is_empty());
    }
}
