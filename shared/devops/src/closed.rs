//! The areas of Azure DevOps that outlive a call: they hand out credentials, or persist access. They are closed unless an
//! integration opens them.
//!
//! A personal access token works for a year in every organization of the user, past all rules, and disconnecting does not
//! end it. Areas are recognised by words in their names, because Microsoft adds areas: `Tokens`, `Token`, `TokenAdmin`,
//! `TokenAuth`, `TokenIssue`, `TokenOAuth2`, `DelegatedAuth`, `OAuth2`, `WebPlatformAuth`. No other area has such a word.
//!
//! | group | recognised by |
//! | --- | --- |
//! | credentials | areas with `token` or `auth` in their names, the host `vstoken`, the web pages `_usersSettings`, `_details` |
//! | contributions | `Contribution`: its body names data providers, which read nearly everything and issue tokens and SSH keys |
//! | hooks | areas with `hook` in their names, `notification`, the host `vssh`: from then on they send events to any address |
//!
//! Areas that stay open although their changes persist: `serviceendpoint`, `distributedtask`, `extensionmanagement`,
//! `graph`, `security`, `accesscontrollists`. Their changes need rights of the user and belong to the organization, whose
//! administrators see and withdraw them there; no credential of the user comes out. `allowed_calls` narrows them.

use crate::address::{Address, without_parameters};
use crate::host::Family;

/// A group of areas that are closed unless an integration opens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClosedArea {
    /// Personal access tokens, session tokens, SSH keys, authorizations of apps.
    Credentials,
    /// Data providers of web pages, named in the body of the call.
    Contributions,
    /// Subscriptions that send events to any address.
    Hooks,
}

impl ClosedArea {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::Credentials, Self::Contributions, Self::Hooks];

    /// Returns the integration's setting that opens it.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Credentials => "allow_credential_calls",
            Self::Contributions => "allow_contribution_calls",
            Self::Hooks => "allow_hook_calls",
        }
    }

    /// Returns the risk of its calls, as the end of a sentence about them.
    pub const fn risk(self) -> &'static str {
        match self {
            Self::Credentials => {
                "hand out credentials that work without ado-connect and outlive the connection"
            }
            Self::Contributions => {
                "name what they do in their body, which may hand out credentials that outlive the connection"
            }
            Self::Hooks => "send events of Azure DevOps to any address and outlive the connection",
        }
    }

    /// Returns the group of a host.
    fn of_host(host: &str) -> Option<Self> {
        if host == Family::Vstoken.host() {
            return Some(Self::Credentials);
        }
        (host == Family::Vssh.host()).then_some(Self::Hooks)
    }

    /// Returns the group of an area with this name, in lower case.
    pub(crate) fn of_area(name: &str) -> Option<Self> {
        if name.contains("token") || name.contains("auth") {
            Some(Self::Credentials)
        } else if name.starts_with("contribution") {
            Some(Self::Contributions)
        } else if name.contains("hook") || name.starts_with("notification") {
            Some(Self::Hooks)
        } else {
            None
        }
    }
}

impl Address {
    /// Returns the closed group that this address is in, if any. Every area after an `_apis` is judged, on every host and at
    /// every depth of the path as a server reads it.
    pub fn closed_area(&self) -> Option<ClosedArea> {
        let segments: Vec<String> = self.segments().map(folded).collect();
        let area = |at: usize| {
            let mut below = segments[at + 1..].iter();
            let first = below.next()?;
            // `_apis/public/{area}` are the areas that also answer without credentials.
            let name = if first == "public" { below.next()? } else { first };
            ClosedArea::of_area(name)
        };
        let in_path =
            segments.iter().enumerate().find_map(|(at, segment)| match segment.as_str() {
                "_apis" => area(at),
                "_userssettings" | "_details" => Some(ClosedArea::Credentials),
                _ => None,
            });
        in_path.or_else(|| ClosedArea::of_host(self.host()))
    }
}

/// Returns a segment as the most lenient server would compare it: in lower case by either case mapping, without its
/// parameters, and without blanks, full stops and other characters that no area has.
fn folded(segment: &str) -> String {
    let lower = without_parameters(segment).to_uppercase().to_lowercase();
    lower.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn area(host: &str, path: &str) -> Option<ClosedArea> {
        Address::parse(host, path, None, &["mycompany".parse().unwrap()]).unwrap().closed_area()
    }

    /// Areas of Microsoft's clients that issue, list or withdraw credentials.
    const CREDENTIALS: &[&str] = &[
        "tokens",
        "Token",
        "TokenAdmin",
        "tokenadministration",
        "TokenAuth",
        "TokenExpiration",
        "TokenIssue",
        "TokenOAuth2",
        "TokenOidc",
        "OrganizationTokenOidc",
        "DelegatedAuth",
        "DelegatedAuthorization",
        "OAuth2",
        "WebPlatformAuth",
    ];

    #[test]
    fn areas_of_credentials_are_closed_on_every_host_at_every_depth_in_every_spelling() {
        for name in CREDENTIALS {
            let upper = name.to_uppercase();
            let encoded = format!("%{:02x}{}", name.as_bytes()[0], &name[1..]);
            for name in [*name, &upper, &encoded] {
                for path in [
                    format!("/mycompany/_apis/{name}"),
                    format!("/mycompany/_apis/{name}/pats"),
                    format!("/mycompany/DefaultCollection/_apis/{name}/x"),
                    format!("/mycompany/Website/_apis/{name}/x"),
                    format!("/mycompany/Website/Team/_apis/{name}/x"),
                    format!("/mycompany/_apis//{name}/x"),
                    format!("/mycompany/_apis/_apis/{name}/x"),
                    format!("/mycompany/%5FAPIS/{name}/x"),
                    format!("/mycompany/_apis%2F{name}%5Cx"),
                    format!("/mycompany/_apis/{name};x/pats"),
                    format!("/mycompany/_apis/{name}%20/pats"),
                    format!("/mycompany/_apis/public/{name}/x"),
                    format!("/mycompany/_apis/wit/_apis/{name}"),
                ] {
                    for family in Family::ALL {
                        assert_eq!(
                            area(family.host(), &path),
                            Some(ClosedArea::Credentials),
                            "{} {path}",
                            family.host()
                        );
                    }
                }
            }
        }
        for host in ["mycompany.visualstudio.com", "mycompany.vssps.visualstudio.com"] {
            assert_eq!(area(host, "/_apis/tokens/pats"), Some(ClosedArea::Credentials));
            assert_eq!(
                area(host, "/DefaultCollection/_apis/Token/SessionTokens"),
                Some(ClosedArea::Credentials)
            );
        }
        // The Kelvin sign is a k in lower case, and the long s an S in upper case.
        assert_eq!(
            area("dev.azure.com", "/mycompany/_apis/to%E2%84%AAens"),
            area("vstoken.dev.azure.com", "/mycompany")
        );
        assert_eq!(
            area("dev.azure.com", "/mycompany/_api%C5%BF/tokens"),
            Some(ClosedArea::Credentials)
        );
    }

    #[test]
    fn pages_and_hosts_of_credentials_and_hooks_are_closed() {
        for (host, path, expected) in [
            ("vstoken.dev.azure.com", "/mycompany/_apis/connectionData", ClosedArea::Credentials),
            ("mycompany.vstoken.visualstudio.com", "/x", ClosedArea::Credentials),
            ("dev.azure.com", "/mycompany/_usersSettings/tokens", ClosedArea::Credentials),
            ("dev.azure.com", "/mycompany/_details/security/keys", ClosedArea::Credentials),
            ("dev.azure.com", "/mycompany/_apis/hooks/subscriptions", ClosedArea::Hooks),
            ("dev.azure.com", "/mycompany/_apis/public/hooks/externalEvents", ClosedArea::Hooks),
            ("dev.azure.com", "/mycompany/_apis/notification/subscriptions", ClosedArea::Hooks),
            ("vssh.dev.azure.com", "/mycompany/_apis/x", ClosedArea::Hooks),
            (
                "dev.azure.com",
                "/mycompany/p/_apis/Contribution/HierarchyQuery",
                ClosedArea::Contributions,
            ),
        ] {
            assert_eq!(area(host, path), Some(expected), "{host}{path}");
        }
    }

    #[test]
    fn each_group_has_a_setting_and_a_risk_of_its_own() {
        let settings = ClosedArea::ALL.map(ClosedArea::setting);
        assert!(settings.iter().all(|name| name.starts_with("allow_") && name.ends_with("_calls")));
        for texts in [settings, ClosedArea::ALL.map(ClosedArea::risk)] {
            assert_eq!(std::collections::HashSet::from(texts).len(), texts.len(), "{texts:?}");
        }
    }

    /// Areas of Microsoft's REST reference, and addresses beside the API.
    #[test]
    fn everything_else_is_open() {
        for path in "_apis _apis/resourceAreas _apis/connectionData _apis/projects _apis/wit/workitems/1 \
             _apis/git/repositories/tokens/items _apis/build/builds _apis/pipelines _apis/release _apis/policy \
             _apis/graph/users _apis/identities _apis/security _apis/accesscontrollists _apis/serviceendpoint/endpoints \
             _apis/distributedtask/variablegroups _apis/extensionmanagement/installedextensions _apis/packaging/feeds \
             _apis/search _apis/test _apis/testplan _apis/tfvc _apis/wiki _apis/work _apis/favorite _apis/operations \
             _apis/audit/auditlog _apis/dashboard _apis/process _apis/profile _apis/symbol tokens/_apis/projects \
             Website/_git/tokens Auth/_apis/git _wiki/wikis/auth _odata/v4.0/WorkItems _packaging/feed/npm/registry"
            .split_whitespace()
        {
            assert_eq!(area("dev.azure.com", &format!("/mycompany/{path}")), None, "{path}");
        }
        let me =
            Address::parse("app.vssps.visualstudio.com", "/_apis/profile/profiles/me", None, &[]);
        assert_eq!(me.unwrap().closed_area(), None);
    }

    proptest! {
        /// The area that a server finds after `_apis` is closed in every spelling.
        #[test]
        fn no_spelling_of_an_area_of_credentials_is_open(
            prefix in "(/[a-z]{1,4}|/%2f|/DefaultCollection){0,3}",
            between in "(/|//|%2F|%5C|/public/)",
            area in "(?i)(tokens|token|tokenissue|delegatedauth|oauth2)",
            encoded in proptest::collection::vec(any::<bool>(), 20),
            rest in "(/[a-zA-Z]{0,8}){0,2}",
        ) {
            let written = |(c, encode): (char, bool)| {
                let text = c.to_string();
                let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
                if encode { bytes.collect::<Vec<_>>().concat() } else { text }
            };
            let area: String = area.chars().zip(encoded).map(written).collect();
            let path = format!("/mycompany{prefix}/_apis{between}{area}{rest}");
            if let Ok(address) = Address::parse("dev.azure.com", &path, None, &["mycompany".parse().unwrap()]) {
                prop_assert_eq!(address.closed_area(), Some(ClosedArea::Credentials));
            }
        }
    }
}
