//! Checks whether the user who signed in has access to the organization.

use std::time::Duration;

use devops::client::ConnectionDataError;
use devops::organization::OrganizationName;
use edge::problem::{Code, Problem};
use futures_util::stream::{self, StreamExt as _};
use ground::bearer_token::BearerToken;
use vault::integrations::Integration;
use vault::sessions::ConnectSession;

use crate::Callback;

/// If the session names no organization, this many are asked at the same time. Access to one of them is enough.
const ASKED_AT_A_TIME: usize = 20;
/// The time for all of them together. It leaves room within the function's 28 s for Entra and for storing.
const DEADLINE: Duration = Duration::from_secs(12);

impl Callback {
    /// Checks access. Returns the organization to pin the connection to: the session's or the only one, or `None` if
    /// the integration names several.
    pub(crate) async fn check_membership(
        &self,
        integration: &Integration,
        session: &ConnectSession,
        access_token: &BearerToken,
    ) -> Result<Option<OrganizationName>, Problem> {
        let now = self.clock.now();
        let reachable = integration.settings.organizations.reachable(session.organization.as_ref());
        let mut refusal = Problem::new(Code::OrganizationAccessDenied);
        let asked = tokio::time::timeout(DEADLINE, async {
            let mut answers = stream::iter(&reachable)
                .map(|organization| {
                    self.devops.connection_data(Some(organization), access_token, now)
                })
                .buffer_unordered(ASKED_AT_A_TIME);
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(_) => return true,
                    Err(ConnectionDataError::NotAMember | ConnectionDataError::Unauthorized) => {}
                    // An organization that did not answer may still admit the user, so its problem has priority over a policy's.
                    Err(_) if refusal.code() == Code::DevopsUnavailable => {}
                    Err(ConnectionDataError::PolicyBlocked) => {
                        refusal = Problem::new(Code::PolicyBlocked);
                    }
                    Err(error) => refusal = Problem::new(Code::DevopsUnavailable).cause(error),
                }
            }
            false
        });
        match asked.await {
            Ok(true) => Ok(session.organization.clone().or_else(|| only(&reachable))),
            Ok(false) => Err(refusal),
            Err(late) => Err(Problem::new(Code::DevopsUnavailable).cause(late)),
        }
    }
}

fn only(organizations: &[OrganizationName]) -> Option<OrganizationName> {
    match organizations {
        [one] => Some(one.clone()),
        _ => None,
    }
}
