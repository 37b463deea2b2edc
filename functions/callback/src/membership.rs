//! Checks whether the user who signed in has access to the organization.

use devops::client::ConnectionDataError;
use devops::organization::OrganizationName;
use edge::problem::{Code, Problem};
use ground::bearer_token::BearerToken;
use vault::integrations::Integration;
use vault::sessions::ConnectSession;

use crate::Callback;

/// The most organizations tried if the session names none; access to one is enough.
const MOST_TRIED: usize = 5;

impl Callback {
    /// Checks access. Returns the organization to pin the connection to: the session's or the only one, or `None` if
    /// the integration names several.
    pub(crate) async fn check_membership(
        &self,
        integration: &Integration,
        session: &ConnectSession,
        access_token: &BearerToken,
    ) -> Result<Option<OrganizationName>, Problem> {
        let reachable = integration.settings.organizations.reachable(session.organization.as_ref());
        let mut refusal = Problem::new(Code::OrganizationAccessDenied);
        for organization in reachable.iter().take(MOST_TRIED) {
            match self.devops.connection_data(organization, access_token).await {
                Ok(_) => return Ok(session.organization.clone().or_else(|| only(&reachable))),
                Err(ConnectionDataError::PolicyBlocked) => {
                    refusal = Problem::new(Code::PolicyBlocked);
                }
                Err(ConnectionDataError::NotAMember | ConnectionDataError::Unauthorized) => {}
                Err(error) => refusal = Problem::new(Code::DevopsUnavailable).cause(error),
            }
        }
        Err(refusal)
    }
}

fn only(organizations: &[OrganizationName]) -> Option<OrganizationName> {
    match organizations {
        [one] => Some(one.clone()),
        _ => None,
    }
}
