//! The protocol of our own authorization server, which lets MCP clients act for a user: OAuth 2.1 with PKCE, without AWS
//! and without an HTTP server.
//!
//! ```text
//!  client id ──> client ──> redirect URI ──> authorization request ──> (consent, sign-in) ──> code
//!                                                                                              │
//!  access token + refresh token  <── derived from the presented credential ── token request <──┘
//! ```
//!
//! Each integration is an authorization server of its own, and its only resource: the issuer is the address of its MCP
//! endpoint.

pub mod authorization;
pub mod client;
pub mod error;
pub mod issuer;
pub mod pass;
pub mod pkce;
pub mod redirect_uri;
pub mod scope;
pub mod token;

/// A source of parameters by name: of a query or a form, in which no name comes twice.
pub trait Parameters {
    /// Returns the value of a parameter, or `None` if it is absent.
    fn get(&self, name: &str) -> Option<&str>;

    /// Returns the value of a parameter, or `None` if it is absent or empty (RFC 6749 section 3.1).
    fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

impl Parameters for std::collections::BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        Self::get(self, name).map(String::as_str)
    }
}
