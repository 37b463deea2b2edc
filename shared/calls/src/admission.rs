//! Who calls, and whether the service runs.

use edge::caller::{Authenticator, Caller, Role};
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::Problem;
use vault::call_items::CallItems;
use vault::ids::ConnectionId;

use crate::Calls;

/// A caller that may make calls now, with the items that decide about its call. Made by [`Calls::admit`] and
/// [`Calls::admit_known`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Admitted {
    /// The caller.
    pub caller: Caller,
    pub(crate) items: CallItems,
}

impl Calls {
    /// Finds the caller of a request, who must have one of these roles, and reads the items that decide about its call of
    /// `connection`; any text that is no id is none. Notes the caller in the log and in the audit trail.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`] and [`Caller::require`]; [`edge::problem::Code::ServicePaused`].
    pub async fn admit(
        &self,
        authenticator: &Authenticator,
        request: &Request,
        roles: &[Role],
        connection: &str,
        log: &RequestLog,
    ) -> Result<Admitted, Problem> {
        let credentials = authenticator.credentials(request)?;
        let connection: Option<ConnectionId> = connection.parse().ok();
        // One request reads the key together with the other items. Callers without a key are authenticated first.
        let items = match credentials.api_key() {
            Some(key) => Some(self.items.read(Some(key), connection.as_ref()).await?),
            None => None,
        };
        let stored = items.as_ref().and_then(|items| items.api_key.clone());
        let caller = authenticator.verify(&credentials, stored).await?;
        caller.note(log, &self.stores.audit).await;
        caller.require(roles)?;
        match items {
            Some(items) => admitted(caller, items),
            None => self.admit_known(caller, connection.as_ref()).await,
        }
    }

    /// Reads the items that decide about a call of a caller who is authenticated already.
    ///
    /// # Errors
    /// [`edge::problem::Code::ServicePaused`]; [`edge::problem::Code::ServiceUnavailable`] if DynamoDB does not answer.
    pub async fn admit_known(
        &self,
        caller: Caller,
        connection: Option<&ConnectionId>,
    ) -> Result<Admitted, Problem> {
        let items = self.items.read(None, connection).await?;
        admitted(caller, items)
    }
}

fn admitted(caller: Caller, items: CallItems) -> Result<Admitted, Problem> {
    items.service.require_running()?;
    Ok(Admitted { caller, items })
}
