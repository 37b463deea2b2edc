//! What a call is for: a connection, the integration behind it, and the address that is called.

use devops::address::Address;
use edge::caller::Caller;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::Problem;
use edge::routes::Matched;
use vault::connections::Connection;
use vault::integrations::Integration;

use crate::connection::usable;
use crate::{Proxy, refusal};

/// What a user's own connection is called in an address.
pub(crate) const ME: &str = "me";

/// A connection that may call an address.
pub(crate) struct Target {
    pub(crate) connection: Connection,
    pub(crate) integration: Integration,
    pub(crate) address: Address,
    /// As the caller called the connection: its id, or `me`.
    pub(crate) named: String,
}

/// Where a call goes, as it stands in the request.
pub(crate) struct Destination<'a> {
    host: &'a str,
    path: String,
    query: Option<&'a str>,
}

impl<'a> Destination<'a> {
    fn of(matched: &'a Matched, request: &'a Request) -> Self {
        Self {
            host: matched.parameter("host").unwrap_or_default(),
            // Exactly as it came: the address is parsed once, and what was parsed is what is sent.
            path: format!("/{}", matched.parameter("path").unwrap_or_default()),
            query: request.uri().query(),
        }
    }

    /// The address, if this connection may call it.
    pub(crate) fn address(
        &self,
        connection: &Connection,
        integration: &Integration,
    ) -> Result<Address, Problem> {
        let allowed =
            integration.settings.organizations.reachable(connection.organization.as_ref());
        Address::parse(self.host, &self.path, self.query, &allowed)
            .map_err(|e| refusal::of_address(&e))
    }
}

impl Proxy {
    /// The connection that the caller names and may use, and the address.
    pub(crate) async fn target(
        &self,
        caller: &Caller,
        matched: &Matched,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Target, Problem> {
        let destination = Destination::of(matched, request);
        let named = matched.parameter("connection").unwrap_or_default();
        if named == ME {
            return self.own_target(caller, &destination, request.headers(), log).await;
        }
        let (connection, integration) = self.visible(caller, named, log).await?;
        usable(&connection, &integration)?;
        let address = destination.address(&connection, &integration)?;
        Ok(Target { connection, integration, address, named: named.to_owned() })
    }
}
