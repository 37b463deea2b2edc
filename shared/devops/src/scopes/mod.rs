//! The scopes of Azure DevOps: their rights, the scopes that they include, and their spelling in Entra.

mod catalogue;

pub use catalogue::CATALOGUE;

/// The application ID of Azure DevOps in Entra, which prefixes its scopes.
pub const RESOURCE_ID: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// The same as a URI, which Entra may return.
const RESOURCE_URI: &str = "https://app.vssps.visualstudio.com";
/// The scope that contains all others.
pub const EVERYTHING: &str = "user_impersonation";

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

/// Returns the scopes that Entra granted, without the resource's prefix and without those of OpenID Connect.
pub fn granted(scopes: &[String]) -> Vec<String> {
    let ours = scopes.iter().filter_map(|scope| {
        let rest = scope.strip_prefix(RESOURCE_ID).or_else(|| scope.strip_prefix(RESOURCE_URI))?;
        // Entra sometimes writes `//` after a resource that ends with a slash.
        Some(rest.trim_start_matches('/').to_owned())
    });
    ours.filter(|name| !name.is_empty()).collect()
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
    requested.iter().filter(|name| !covers(granted, name)).cloned().collect()
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
        assert_eq!(granted(&answer), ["vso.code", "vso.work"]);
    }
}
