//! The connection that a caller names, and the integration behind it.

use edge::caller::Caller;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use vault::connections::{Connection, Status};
use vault::integrations::{self, Integration};

use crate::Proxy;

impl Proxy {
    /// The connection and its integration, if the caller may see them; absent and foreign look the same.
    pub(crate) async fn visible(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<(Connection, Integration), Problem> {
        let not_found = || Problem::new(Code::ConnectionNotFound);
        let id = id.parse().map_err(|_| not_found())?;
        log.connection(&id);
        let connection = self
            .connections
            .get(&id)
            .await?
            .filter(|connection| caller.sees_connection(&connection.integration, &connection.user))
            .ok_or_else(not_found)?;
        log.integration(&connection.integration);
        let integration =
            self.integrations.get(&connection.integration).await?.ok_or_else(not_found)?;
        Ok((connection, integration))
    }
}

/// Refuses a connection that cannot be used, before anything else is looked at; says where it can be mended.
pub(crate) fn usable(connection: &Connection, integration: &Integration) -> Result<(), Problem> {
    if integration.status == integrations::Status::Paused {
        return Err(Problem::new(Code::IntegrationNotReady));
    }
    match connection.status {
        Status::Active => Ok(()),
        Status::Pending => Err(Problem::new(Code::ConnectionPending)),
        Status::ReauthorizationRequired => {
            let problem = Problem::new(Code::ConnectionReauthorizationRequired);
            Err(reconnecting(problem, connection, integration))
        }
    }
}

/// Tells a caller whose user must sign in again where that is done, if the integration says so.
pub(crate) fn reconnecting(
    problem: Problem,
    connection: &Connection,
    integration: &Integration,
) -> Problem {
    match (problem.code(), integration.reconnect_url(&connection.id)) {
        (Code::ConnectionReauthorizationRequired, Some(url)) => problem.reconnect_url(&url),
        _ => problem,
    }
}
