//! Checks whether the user who signed in has access to the organization.

use std::time::Duration;

use devops::client::ConnectionDataError;
use devops::organization::OrganizationName;
use edge::problem::{Code, Problem};
use futures_util::stream::{self, StreamExt as _};
use ground::bearer_token::BearerToken;
use vault::integrations::Integration;

use crate::Callback;

/// If the session names no organization, this many are asked at the same time. Access to one of them is enough.
const ASKED_AT_A_TIME: usize = 20;
/// The time for all of them together. It leaves room within the function's 28 s for Entra and for storing.
const DEADLINE: Duration = Duration::from_secs(12);

impl Callback {
    /// Checks access to `organization`, or to one of those that the integration names. Returns the organization to pin the
    /// connection to: the given one, or the only one, or `None` if the integration names several.
    pub(crate) async fn check_membership(
        &self,
        integration: &Integration,
        organization: Option<&OrganizationName>,
        access_token: &BearerToken,
    ) -> Result<Option<OrganizationName>, Problem> {
        let now = self.clock.now();
        let reachable = integration.settings.organizations.reachable(organization);
        let admitted = tokio::time::timeout(DEADLINE, async {
            let mut refusal = Problem::new(Code::OrganizationAccessDenied);
            let questions: Vec<_> = reachable
                .iter()
                .map(|organization| {
                    self.devops.connection_data(Some(organization), access_token, now)
                })
                .collect();
            let mut answers = stream::iter(questions).buffer_unordered(ASKED_AT_A_TIME);
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(_) => return Ok(()),
                    Err(error) => refusal = weighed(refusal, error),
                }
            }
            Err(refusal)
        });
        admitted
            .await
            .unwrap_or_else(|late| Err(Problem::new(Code::DevopsUnavailable).cause(late)))?;
        Ok(organization.cloned().or_else(|| only(&reachable)))
    }
}

/// Returns the refusal after one more organization has not admitted the user.
fn weighed(refusal: Problem, error: ConnectionDataError) -> Problem {
    match error {
        ConnectionDataError::NotAMember | ConnectionDataError::Unauthorized => refusal,
        // An organization that did not answer may still admit the user, so its problem has priority over a policy's.
        _ if refusal.code() == Code::DevopsUnavailable => refusal,
        ConnectionDataError::PolicyBlocked => Problem::new(Code::PolicyBlocked),
        error => Problem::new(Code::DevopsUnavailable).cause(error),
    }
}

fn only(organizations: &[OrganizationName]) -> Option<OrganizationName> {
    match organizations {
        [one] => Some(one.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectionDataError::{NotAMember, PolicyBlocked, Throttled, Unauthorized, Unavailable};

    #[test]
    fn a_refusal_names_an_outage_before_a_policy_and_a_policy_before_lacking_access() {
        for (answers, expected) in [
            (vec![NotAMember, Unauthorized], Code::OrganizationAccessDenied),
            (vec![NotAMember, PolicyBlocked, Unauthorized], Code::PolicyBlocked),
            (vec![PolicyBlocked, Unavailable, NotAMember], Code::DevopsUnavailable),
            (vec![Unavailable, PolicyBlocked], Code::DevopsUnavailable),
            (vec![Throttled { retry_after: None }, PolicyBlocked], Code::DevopsUnavailable),
        ] {
            let denied = Problem::new(Code::OrganizationAccessDenied);
            let refusal = answers.into_iter().fold(denied, weighed);
            assert_eq!(refusal.code(), expected);
        }
    }

    #[test]
    fn a_connection_is_pinned_to_an_organization_that_is_the_only_one() {
        let organizations = ["mycompany", "fabrikam"].map(|name| name.parse().unwrap());
        assert_eq!(only(&organizations[..1]), Some(organizations[0].clone()));
        assert_eq!(only(&organizations), None);
        assert_eq!(only(&[]), None);
    }
}
