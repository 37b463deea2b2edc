//! Who calls, and with whose connection.

use calls::Admitted;
use edge::caller::Role;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use vault::connections::Connection;
use vault::ids::IntegrationId;
use vault::integrations::{Integration, McpAccess};

use crate::Mcp;

/// A caller's connection, whose integration has an endpoint.
pub(crate) struct Found {
    /// The caller, with the items that decide about its calls.
    pub(crate) admitted: Admitted,
    pub(crate) connection: Connection,
    pub(crate) integration: Integration,
}

impl Mcp {
    /// Finds the connection that an address names, for a caller with one of these roles: by its id, or by that of the
    /// integration under which the caller is a user.
    ///
    /// # Errors
    /// A [`Problem`] if the caller is not accepted or may not know of the connection, and [`Code::McpDisabled`] if its
    /// integration has no endpoint.
    pub(crate) async fn find(
        &self,
        target: &str,
        roles: &[Role],
        request: &Request,
        log: &RequestLog,
    ) -> Result<Found, Problem> {
        // Ids of connections have an underscore, and those of integrations have none.
        if !target.contains('_') {
            return self.find_own(target, request, log).await;
        }
        let admitted = self.calls.admit(&self.authenticator, request, roles, target, log).await?;
        let (connection, integration) = admitted.clone().connection(target, log)?;
        offered(Found { admitted, connection, integration })
    }

    /// Finds the calling user's own connection under an integration.
    async fn find_own(
        &self,
        integration: &str,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Found, Problem> {
        let caller = self.authenticator.identify(request, log, &self.audit).await?;
        caller.require(&[Role::User]).map_err(|problem| {
            problem.detail("The address with an integration is for its users. Others name a connection: /mcp/conn_….")
        })?;
        let none = || Problem::new(Code::ConnectionNotFound);
        let id: IntegrationId = integration.parse().map_err(|_| none())?;
        let user = caller.user().ok_or_else(none)?;
        let connection = self.connections.find(&id, user).await?.ok_or_else(none)?;
        let admitted = self.calls.admit_known(caller, Some(&connection.id)).await?;
        let (connection, integration) =
            admitted.clone().connection(&connection.id.to_string(), log)?;
        offered(Found { admitted, connection, integration })
    }
}

fn offered(found: Found) -> Result<Found, Problem> {
    match found.integration.settings.mcp.access {
        McpAccess::Off => Err(Problem::new(Code::McpDisabled)),
        McpAccess::Read | McpAccess::Write => Ok(found),
    }
}
