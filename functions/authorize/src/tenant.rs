//! The tenant that a user signs in at.
//!
//! A guest must sign in at the organization's tenant, so with `auto` Azure DevOps is asked which tenant backs the
//! organization. Answers are remembered for a day, because organizations rarely move.

use std::sync::Arc;

use devops::client::{DevopsClient, OrganizationTenant};
use devops::organization::OrganizationName;
use edge::problem::{Code, Problem};
use entra::identifiers::Tenant;
use ground::clock::Clock;
use ground::remembered::{AskError, Remembered};
use jiff::SignedDuration;
use vault::integrations::{Organizations, TenantSetting};

const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

pub(crate) struct OrganizationTenants {
    devops: DevopsClient,
    known: Remembered<OrganizationName, Tenant>,
}

impl OrganizationTenants {
    pub(crate) fn new(devops: DevopsClient, clock: Arc<dyn Clock>) -> Self {
        Self { devops, known: Remembered::new(clock, REMEMBERED_FOR) }
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
                Ok(OrganizationTenant::Entra(id)) => {
                    id.to_string().parse().map(Tenant::Id).map_err(|error| {
                        AskError::from(Some(Problem::new(Code::InternalError).cause(error)))
                    })
                }
                Ok(OrganizationTenant::PersonalMicrosoftAccounts) => {
                    Err(AskError::from(Some(Problem::new(Code::OrganizationNotBackedByEntra))))
                }
                // Azure DevOps names no tenant: members can still sign in at their own, though guests cannot.
                Ok(OrganizationTenant::Unknown) | Err(_) => Err(AskError::from(None)),
            }
        };
        let known = self.known.get(organization, ask).await;
        known.or_else(|problem| problem.map_or(Ok(Tenant::Organizations), Err))
    }
}

#[cfg(test)]
mod tests;
