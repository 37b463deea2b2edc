//! Which connection a call is for, and which address it goes to.

use devops::address::Address;
use devops::policy::METHODS;
use edge::caller::PresentedKey;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use http::Method;
use vault::audit::Actor;
use vault::connections::Connection;
use vault::integrations::Integration;

use crate::connection::require_usable;
use crate::destination::{Destination, Named};
use crate::{Admitted, Calls, me};

/// A connection that may call an address. Made by [`crate::Calls::target`] only, which counts it.
#[non_exhaustive]
pub struct Target {
    /// The connection.
    pub connection: Connection,
    /// Its integration.
    pub integration: Integration,
    /// The method.
    pub method: Method,
    /// The address.
    pub address: Address,
    /// The caller, for the audit trail.
    pub(crate) actor: Actor,
    /// The caller's API key, if it has one.
    pub(crate) api_key: Option<PresentedKey>,
}

impl Calls {
    pub(crate) async fn find(
        &self,
        admitted: Admitted,
        destination: &Destination<'_>,
        log: &RequestLog,
    ) -> Result<Target, Problem> {
        let api_key = admitted.caller.api_key.clone();
        let (connection, integration) = match destination.connection {
            Named::Id(id) => admitted.connection(id, log)?,
            Named::Own { integration } => {
                let candidates = self.own_connections(&admitted.caller, integration).await?;
                let (connection, integration) = me::pick(candidates, destination)?;
                log.connection(&connection.id);
                log.integration(&connection.integration);
                (connection, integration)
            }
        };
        require_usable(&connection, &integration)?;
        let address = destination.address(&connection, &integration)?;
        log.host(address.host());
        require_known(destination.method)?;
        let method = destination.method.clone();
        let actor = log.actor();
        Ok(Target { connection, integration, method, address, actor, api_key })
    }
}

/// Refuses methods that Azure DevOps' API does not have (S-36).
fn require_known(method: &Method) -> Result<(), Problem> {
    if METHODS.contains(method) {
        return Ok(());
    }
    let names: Vec<_> = METHODS.iter().map(Method::as_str).collect();
    Err(Problem::new(Code::MethodNotAllowed).allow(&names.join(", ")))
}
