//! A call as its caller names it.

use devops::address::Address;
use edge::problem::Problem;
use http::Method;
use vault::connections::Connection;
use vault::integrations::Integration;

use crate::refusal;

/// A call as its caller names it.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Whose token is used.
    pub connection: Named<'a>,
    /// The method.
    pub method: &'a Method,
    /// A host of Azure DevOps, such as `dev.azure.com`.
    pub host: &'a str,
    /// The path exactly as it came, with its first slash: it is parsed once, and the result of that is sent.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
}

/// How a caller names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// By its id.
    Id(&'a str),
    /// As the calling user's own: the one that reaches the address.
    Own {
        /// The id of its integration, where several would do.
        integration: Option<&'a str>,
    },
}

impl Destination<'_> {
    /// Parses the address, if this connection may call it.
    pub(crate) fn address(
        &self,
        connection: &Connection,
        integration: &Integration,
    ) -> Result<Address, Problem> {
        let allowed =
            integration.settings.organizations.reachable(connection.organization.as_ref());
        Address::parse(self.host, self.path, self.query, &allowed)
            .map_err(|error| refusal::of_address(&error))
    }
}
