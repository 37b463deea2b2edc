//! The `scope` parameter: `OpenID` scopes, and scopes of resources.

use super::errors::OAuthError;
use crate::scopes::{AZURE_DEVOPS, exists};

const AZURE_DEVOPS_URI: &str = "https://app.vssps.visualstudio.com";
const GRAPH: &str = "https://graph.microsoft.com";
const GRAPH_ID: &str = "00000003-0000-0000-c000-000000000000";

/// The resource of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    AzureDevOps,
    Graph,
}

impl Resource {
    /// `aud` of its access tokens.
    pub fn audience(self) -> &'static str {
        match self {
            Self::AzureDevOps => AZURE_DEVOPS,
            Self::Graph => GRAPH_ID,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::AzureDevOps => AZURE_DEVOPS,
            Self::Graph => GRAPH,
        }
    }
}

/// Scopes of one resource, by bare name; `.default` means the app's registered permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceScopes {
    pub resource: Resource,
    pub names: Vec<String>,
}

impl ResourceScopes {
    /// Returns the permissions, with `.default` replaced by those that are registered for the app.
    pub fn permissions(&self, registered: &[String]) -> Vec<String> {
        if self.is_default() {
            match self.resource {
                Resource::AzureDevOps => registered.to_vec(),
                Resource::Graph => vec!["User.Read".to_owned()],
            }
        } else {
            self.names.clone()
        }
    }

    pub fn is_default(&self) -> bool {
        self.names.iter().any(|name| name == ".default")
    }
}

/// A parsed `scope` parameter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes {
    pub openid: Vec<String>,
    pub resources: Vec<ResourceScopes>,
}

impl Scopes {
    /// Parses the parameter as the authorize endpoint does: several resources are valid, unknown scopes are refused.
    pub fn parse(text: &str, app_name: &str) -> Result<Self, OAuthError> {
        let mut scopes = Self::default();
        for scope in text.split_whitespace() {
            if matches!(scope, "openid" | "profile" | "email" | "offline_access") {
                scopes.openid.push(scope.to_owned());
                continue;
            }
            let (resource, name) = split(scope)?;
            if !known(resource, name) {
                return Err(OAuthError::new(
                    "invalid_client",
                    650_053,
                    format!(
                        "The application '{app_name}' asked for scope '{name}' that doesn't exist on the resource '{}'.",
                        resource.audience()
                    ),
                ));
            }
            scopes.add(resource, name);
        }
        if scopes.resources.iter().any(|scopes| scopes.is_default() && scopes.names.len() > 1) {
            return Err(OAuthError::new(
                "invalid_scope",
                70011,
                "The scope is not valid: .default can't be combined with other scopes of the resource.",
            ));
        }
        Ok(scopes)
    }

    fn add(&mut self, resource: Resource, name: &str) {
        match self.resources.iter_mut().find(|scopes| scopes.resource == resource) {
            Some(scopes) if scopes.names.iter().any(|known| known == name) => {}
            Some(scopes) => scopes.names.push(name.to_owned()),
            None => self.resources.push(ResourceScopes { resource, names: vec![name.to_owned()] }),
        }
    }

    /// Returns the resource of a token: the first one named, or Microsoft Graph if there is none.
    pub fn first(&self) -> ResourceScopes {
        self.resources.first().cloned().unwrap_or(ResourceScopes {
            resource: Resource::Graph,
            names: vec!["User.Read".to_owned()],
        })
    }

    pub fn has(&self, openid_scope: &str) -> bool {
        self.openid.iter().any(|scope| scope == openid_scope)
    }

    /// Returns `scope` of a token answer: qualified by the resource, with `.default` beside its permissions.
    pub fn granted(&self, granted: &ResourceScopes, permissions: &[String]) -> String {
        let mut parts: Vec<String> = permissions
            .iter()
            .map(|name| format!("{}/{name}", granted.resource.prefix()))
            .collect();
        if granted.is_default() {
            parts.push(format!("{}/.default", granted.resource.prefix()));
        }
        if granted.resource == Resource::Graph {
            // Only answers for Graph list the OpenID scopes.
            parts.splice(
                0..0,
                self.openid.iter().filter(|scope| *scope != "offline_access").cloned(),
            );
        }
        parts.join(" ")
    }
}

fn split(scope: &str) -> Result<(Resource, &str), OAuthError> {
    let qualified = [
        (AZURE_DEVOPS, Resource::AzureDevOps),
        (AZURE_DEVOPS_URI, Resource::AzureDevOps),
        (GRAPH, Resource::Graph),
        (GRAPH_ID, Resource::Graph),
    ];
    for (prefix, resource) in qualified {
        if let Some(name) = scope.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) {
            // The resource URI may end in a slash of its own.
            return Ok((resource, name.trim_start_matches('/')));
        }
    }
    if scope.contains('/') {
        return Err(OAuthError::new(
            "invalid_resource",
            500_011,
            "The resource principal named in the scope was not found in the tenant.",
        ));
    }
    Ok((Resource::Graph, scope))
}

fn known(resource: Resource, name: &str) -> bool {
    name == ".default"
        || match resource {
            Resource::AzureDevOps => exists(name),
            Resource::Graph => {
                matches!(name, "User.Read" | "User.ReadBasic.All" | "GroupMember.Read.All")
            }
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn scopes_are_sorted_by_resource() {
        let text = format!("openid offline_access {AZURE_DEVOPS}/vso.code {AZURE_DEVOPS}/vso.work");
        let scopes = Scopes::parse(&text, "app").unwrap();
        assert!(scopes.has("openid") && scopes.has("offline_access"));
        assert_eq!(scopes.first().names, ["vso.code", "vso.work"]);
    }

    #[test]
    fn a_bare_azure_devops_scope_is_taken_for_graph_and_refused() {
        let refusal = Scopes::parse("openid vso.code", "app").unwrap_err();
        assert_eq!(refusal.codes, [650_053]);
    }

    #[test]
    fn default_and_named_scopes_do_not_mix() {
        let text = format!("{AZURE_DEVOPS}/.default {AZURE_DEVOPS}/vso.work");
        assert_eq!(Scopes::parse(&text, "app").unwrap_err().codes, [70011]);
    }
}
