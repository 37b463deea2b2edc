//! A caller's connection, and the integration behind it.

use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use vault::call_items::CallItems;
use vault::connections::{Connection, Status};
use vault::integrations::{self, Integration};

use crate::{Admitted, refusal};

impl Admitted {
    /// Returns the connection with this id and its integration, if they were read for this caller, who may know of them.
    ///
    /// # Errors
    /// [`Code::ConnectionNotFound`] for an absent connection and for another's alike.
    pub fn connection(
        self,
        id: &str,
        log: &RequestLog,
    ) -> Result<(Connection, Integration), Problem> {
        let id = id.parse().map_err(|_| Problem::new(Code::ConnectionNotFound))?;
        log.connection(&id);
        let CallItems { connection, integration, .. } = self.items;
        let connection = connection.filter(|connection| connection.id == id);
        let (connection, integration) = self.caller.visible(connection, integration)?;
        log.integration(&connection.integration);
        Ok((connection, integration))
    }
}

/// Refuses a connection that cannot be used, with the place where its user can sign in again.
///
/// # Errors
/// [`Code::IntegrationNotReady`], [`Code::ConnectionPaused`], [`Code::ConnectionPending`],
/// [`Code::ConnectionReauthorizationRequired`], or [`Code::WrongTenant`] or [`Code::OrganizationNotAllowed`] if the
/// integration no longer serves the connection.
pub fn require_usable(connection: &Connection, integration: &Integration) -> Result<(), Problem> {
    if integration.status == integrations::Status::Paused {
        return Err(Problem::new(Code::IntegrationNotReady));
    }
    if connection.paused_at.is_some() {
        return Err(Problem::new(Code::ConnectionPaused));
    }
    let served =
        integration.serves(&connection.account.tenant_id, connection.organization.as_ref());
    served.map_err(refusal::of_not_served)?;
    match connection.status {
        Status::Active => Ok(()),
        Status::Pending => Err(Problem::new(Code::ConnectionPending)),
        Status::Unknown => Err(Problem::new(Code::ServiceUnavailable)),
        Status::ReauthorizationRequired => {
            let problem = Problem::new(Code::ConnectionReauthorizationRequired);
            Err(with_reconnect_url(problem, connection, integration))
        }
    }
}

/// Adds the address where the user signs in again, if the user must and the integration names one.
#[must_use]
pub fn with_reconnect_url(
    problem: Problem,
    connection: &Connection,
    integration: &Integration,
) -> Problem {
    match (problem.code(), integration.reconnect_url(&connection.id)) {
        (Code::ConnectionReauthorizationRequired, Some(url)) => problem.reconnect_url(&url),
        _ => problem,
    }
}
