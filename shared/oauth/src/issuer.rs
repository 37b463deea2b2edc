//! An integration as an authorization server and as its one resource, and the documents about both.

use serde::Serialize;

use crate::scope::Scope;

/// The address of an integration's MCP endpoint: issuer (RFC 8414) and resource (RFC 9728) in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// An origin, without a slash at the end.
    origin: String,
    integration: String,
}

impl Issuer {
    /// Returns the issuer of an integration at our own origin.
    pub fn new(origin: &str, integration: &str) -> Self {
        Self { origin: origin.to_owned(), integration: integration.to_owned() }
    }

    /// Returns the issuer identifier.
    pub fn url(&self) -> String {
        format!("{}/mcp/{}", self.origin, self.integration)
    }

    /// Returns the address of an endpoint of the authorization server.
    pub fn endpoint(&self, name: &str) -> String {
        format!("{}/oauth/{}/{name}", self.origin, self.integration)
    }

    /// Returns the address of the metadata of the resource at `/mcp/{integration}`, or below it.
    pub fn resource_metadata(&self, below: &str) -> String {
        let slash = if below.is_empty() { "" } else { "/" };
        let (origin, integration) = (&self.origin, &self.integration);
        format!("{origin}/.well-known/oauth-protected-resource/mcp/{integration}{slash}{below}")
    }

    /// Returns whether a `resource` (RFC 8707) is ours: the endpoint or an address below it, or our origin, which some
    /// clients send.
    pub fn is_resource(&self, resource: &str) -> bool {
        let own = self.url();
        let below = resource.strip_prefix(&own);
        resource.trim_end_matches('/') == self.origin
            || below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// Returns the challenge of a request that is not signed in, or that lacks a scope (RFC 6750 section 3, RFC 9728
    /// section 5.1).
    pub fn challenge(&self, below: &str, error: Option<&str>, scope: Scope) -> String {
        let error = error.map(|error| format!("error=\"{error}\", ")).unwrap_or_default();
        let (metadata, scope) = (self.resource_metadata(below), scope.as_str());
        format!("Bearer {error}resource_metadata=\"{metadata}\", scope=\"{scope}\"")
    }

    /// Returns the metadata of the resource (RFC 9728). `scope` is the widest that there is.
    pub fn protected_resource(&self, below: &str, name: &str, scope: Scope) -> ProtectedResource {
        let slash = if below.is_empty() { "" } else { "/" };
        ProtectedResource {
            resource: format!("{}{slash}{below}", self.url()),
            resource_name: name.to_owned(),
            authorization_servers: [self.url()],
            scopes_supported: scope.list(),
            bearer_methods_supported: ["header"],
        }
    }

    /// Returns the metadata of the authorization server (RFC 8414).
    pub fn authorization_server(&self, scope: Scope) -> AuthorizationServer {
        AuthorizationServer {
            issuer: self.url(),
            authorization_endpoint: self.endpoint("authorize"),
            token_endpoint: self.endpoint("token"),
            registration_endpoint: self.endpoint("register"),
            revocation_endpoint: self.endpoint("revoke"),
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: ["authorization_code", "refresh_token"],
            code_challenge_methods_supported: ["S256"],
            token_endpoint_auth_methods_supported: ["none"],
            revocation_endpoint_auth_methods_supported: ["none"],
            scopes_supported: scope.list(),
            client_id_metadata_document_supported: true,
            authorization_response_iss_parameter_supported: true,
        }
    }
}

/// The metadata of a protected resource.
#[derive(Debug, Serialize)]
pub struct ProtectedResource {
    resource: String,
    resource_name: String,
    authorization_servers: [String; 1],
    scopes_supported: &'static [&'static str],
    bearer_methods_supported: [&'static str; 1],
}

/// The metadata of an authorization server.
#[derive(Debug, Serialize)]
pub struct AuthorizationServer {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    revocation_endpoint: String,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    scopes_supported: &'static [&'static str],
    client_id_metadata_document_supported: bool,
    authorization_response_iss_parameter_supported: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Issuer {
        Issuer::new("https://gateway.example", "azure-devops")
    }

    #[test]
    fn every_spelling_of_our_resource_that_clients_send_is_ours() {
        for resource in [
            "https://gateway.example/mcp/azure-devops",
            "https://gateway.example/mcp/azure-devops/",
            "https://gateway.example/mcp/azure-devops/readonly",
            "https://gateway.example",
            "https://gateway.example/",
        ] {
            assert!(issuer().is_resource(resource), "{resource}");
        }
    }

    #[test]
    fn another_integration_or_server_is_not_our_resource() {
        for resource in [
            "",
            "https://gateway.example/mcp/azure-devops-2",
            "https://gateway.example/mcp/other",
            "https://gateway.example/mcp",
            "https://gateway.example/proxy",
            "https://gateway.example.evil.example/mcp/azure-devops",
            "http://gateway.example/mcp/azure-devops",
        ] {
            assert!(!issuer().is_resource(resource), "{resource}");
        }
    }

    #[test]
    fn a_challenge_names_the_metadata_and_the_scope() {
        assert_eq!(
            issuer().challenge("", None, Scope::Write),
            "Bearer resource_metadata=\"https://gateway.example/.well-known/oauth-protected-resource/mcp/azure-devops\", \
             scope=\"read write\""
        );
        let lacking = issuer().challenge("readonly", Some("insufficient_scope"), Scope::Read);
        assert!(lacking.starts_with("Bearer error=\"insufficient_scope\", resource_metadata="));
        assert!(lacking.contains("/mcp/azure-devops/readonly\""));
    }
}
