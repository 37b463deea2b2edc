//! The tenant that a user signs in at.
//!
//! A guest must sign in at the organization's tenant, so with `auto` Azure DevOps is asked which tenant backs the
//! organization: at every sign-in, because an organization can move to another tenant, and a user who is sent to the old
//! one does not come back to report it. The last answer serves while Azure DevOps does not answer.

use std::sync::Arc;

use devops::client::{DevopsClient, OrganizationTenant};
use devops::organization::OrganizationName;
use edge::problem::{Code, Problem};
use entra::identifiers::Tenant;
use ground::clock::Clock;
use ground::remembered::{AskError, Remembered};
use jiff::SignedDuration;
use vault::integrations::{Organizations, TenantSetting};

/// How long the last answer is used while Azure DevOps does not answer, and how soon it is asked again.
const USED_UNANSWERED_FOR: SignedDuration = SignedDuration::from_hours(24);
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(10);

pub(crate) struct OrganizationTenants {
    devops: DevopsClient,
    known: Remembered<OrganizationName, Tenant>,
}

impl OrganizationTenants {
    pub(crate) fn new(devops: DevopsClient, clock: Arc<dyn Clock>) -> Self {
        let known = Remembered::new(clock, SignedDuration::ZERO)
            .or_stale(USED_UNANSWERED_FOR, ASKED_AGAIN_AFTER);
        Self { devops, known }
    }

    /// Returns the tenant to sign in at: the configured one, or the one that backs the session's organization.
    ///
    /// # Errors
    /// [`Code::OrganizationNotBackedByEntra`] if personal Microsoft accounts own the organization.
    pub(crate) async fn of(
        &self,
        configured: &TenantSetting,
        served: &Organizations,
        organization: Option<&OrganizationName>,
    ) -> Result<Tenant, Problem> {
        if let TenantSetting::Fixed(tenant) = configured {
            return Ok(tenant.clone());
        }
        let only = match served {
            Organizations::Named(names) if names.len() == 1 => names.first(),
            _ => None,
        };
        match organization.or(only) {
            Some(organization) => self.backing(organization).await,
            // Several organizations, possibly of several tenants: the user's own account decides.
            None => Ok(Tenant::Organizations),
        }
    }

    async fn backing(&self, organization: &OrganizationName) -> Result<Tenant, Problem> {
        let ask = || async {
            match self.devops.resource_tenant(organization).await {
                Ok(OrganizationTenant::Entra(id)) => Ok(Tenant::Id(id.into())),
                Ok(OrganizationTenant::PersonalMicrosoftAccounts) => {
                    Err(AskError::Final(Some(Problem::new(Code::OrganizationNotBackedByEntra))))
                }
                // Azure DevOps names no tenant: members can still sign in at their own, though guests cannot.
                Ok(OrganizationTenant::Unknown) => Err(AskError::Final(None)),
                Err(_) => Err(AskError::Unavailable(None)),
            }
        };
        let known = self.known.get(organization, ask).await;
        known.or_else(|problem| problem.map_or(Ok(Tenant::Organizations), Err))
    }
}

#[cfg(test)]
mod tests;
