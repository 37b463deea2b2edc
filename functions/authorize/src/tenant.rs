//! Which tenant a user signs in at.
//!
//! A guest of an organization's tenant must sign in there and nowhere else, so `auto` asks Azure DevOps
//! which tenant backs the organization. Answers are remembered for a day: organizations hardly move.

use std::collections::HashMap;
use std::sync::Arc;

use devops::client::{DevopsClient, OrganizationTenant};
use devops::organization::OrganizationName;
use edge::problem::{Code, Problem};
use entra::clock::Clock;
use entra::identifiers::Tenant;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use vault::integrations::{Integration, Organizations, TenantSetting};

const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);
const MOST_REMEMBERED: usize = 1000;

/// Finds and remembers the tenants that back organizations.
pub(crate) struct OrganizationTenants {
    devops: DevopsClient,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<OrganizationName, (Timestamp, Tenant)>>,
}

impl OrganizationTenants {
    pub(crate) fn new(devops: DevopsClient, clock: Arc<dyn Clock>) -> Self {
        Self { devops, clock, known: Mutex::default() }
    }

    /// The tenant for a session's sign-in: the configured one, or the one that backs its organization.
    pub(crate) async fn of(
        &self,
        integration: &Integration,
        organization: Option<&OrganizationName>,
    ) -> Result<Tenant, Problem> {
        if let TenantSetting::Fixed(tenant) = &integration.tenant {
            return Ok(tenant.clone());
        }
        let only = match &integration.organizations {
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
        let now = self.clock.now();
        if let Some((found_at, tenant)) = self.known.lock().await.get(organization)
            && now.duration_since(*found_at) < REMEMBERED_FOR
        {
            return Ok(tenant.clone());
        }
        let tenant = match self.devops.resource_tenant(organization).await {
            Ok(OrganizationTenant::Entra(id)) => Tenant::Id(
                id.to_string().parse().map_err(|e| Problem::new(Code::InternalError).cause(e))?,
            ),
            Ok(OrganizationTenant::PersonalMicrosoftAccounts) => {
                return Err(Problem::new(Code::OrganizationNotBackedByEntra));
            }
            // Azure DevOps does not say: members, if not guests, can still sign in at their own tenant.
            Ok(OrganizationTenant::Unknown) | Err(_) => return Ok(Tenant::Organizations),
        };
        let mut known = self.known.lock().await;
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(organization.clone(), (now, tenant.clone()));
        Ok(tenant)
    }
}
