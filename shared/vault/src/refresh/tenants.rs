//! Whether Entra may be asked about a tenant: the breaker of each (integration, tenant), as read within some seconds.

use std::sync::Arc;

use entra::identifiers::{ClientId, TenantId};
use ground::clock::Clock;
use ground::remembered::Remembered;
use jiff::{SignedDuration, Timestamp};

use crate::Error;
use crate::ids::IntegrationId;
use crate::integrations::{
    Integration, Integrations, Recorded, RefusedTenant, RefusedTenants, TenantRefusal,
};

/// How long the refusing tenants of an integration are cached, so that a renewal does not cost another read.
const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(3);

/// The refusing tenants of all integrations. Clones share the cache.
#[derive(Clone)]
pub(super) struct Tenants {
    integrations: Integrations,
    remembered: Remembered<(IntegrationId, ClientId), Arc<RefusedTenants>>,
}

/// Whether Entra may be asked about a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TenantTurn {
    /// It may be asked.
    Ask,
    /// One caller may ask, to see whether the tenant refuses still.
    Probe(RefusedTenant),
    /// Not before this time.
    NotBefore(Timestamp),
    /// Entra has not found the tenant for a day: its users must sign in again. With Entra's error.
    Lost(String),
}

impl Tenants {
    pub(super) fn new(integrations: Integrations, clock: Arc<dyn Clock>) -> Self {
        Self { integrations, remembered: Remembered::new(clock, KNOWN_FOR) }
    }

    /// The refusing tenants, at most some seconds old.
    pub(super) async fn of(&self, integration: &Integration) -> Result<Arc<RefusedTenants>, Error> {
        let read =
            || async { Ok(self.integrations.refused_tenants(integration).await.map(Arc::new)?) };
        self.remembered.get(&app(integration), read).await
    }

    /// Claims the right to ask Entra about a tenant now.
    pub(super) async fn claim(
        &self,
        integration: &Integration,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<TenantTurn, Error> {
        let refused = match turn(&*self.of(integration).await?, tenant, now) {
            TenantTurn::Probe(refused) => refused,
            turn => return Ok(turn),
        };
        let is_ours = self.integrations.claim_tenant_probe(integration, &refused, now).await?;
        self.remembered.forget(&app(integration)).await;
        let claimed = RefusedTenant { probed_at: now, probes: refused.probes + 1, ..refused };
        Ok(if is_ours { TenantTurn::Ask } else { TenantTurn::NotBefore(claimed.next_probe_at()) })
    }

    /// Entra has accepted the app in the tenant.
    pub(super) async fn accepted(&self, integration: &Integration, tenant: &TenantId) {
        let accepted = async {
            if self.of(integration).await?.get(tenant).is_some() {
                self.integrations.accept_tenant(integration, tenant).await?;
                self.remembered.forget(&app(integration)).await;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = accepted.await {
            tracing::warn!(integration = %integration.id, %tenant, "the tenant stays marked as refusing: {error}");
        }
    }

    /// Records that the tenant refuses the app.
    pub(super) async fn refused(
        &self,
        integration: &Integration,
        tenant: &TenantId,
        refusal: (TenantRefusal, &str),
        now: Timestamp,
    ) -> Result<Recorded, Error> {
        let recorded = self.integrations.refuse_tenant(integration, tenant, refusal, now).await?;
        self.remembered.forget(&app(integration)).await;
        Ok(recorded)
    }
}

fn app(integration: &Integration) -> (IntegrationId, ClientId) {
    (integration.id.clone(), integration.settings.client_id.clone())
}

/// Whether Entra may be asked about a tenant now, by what is known of the refusing ones.
pub(super) fn turn(known: &RefusedTenants, tenant: &TenantId, now: Timestamp) -> TenantTurn {
    match known.get(tenant) {
        None => TenantTurn::Ask,
        Some(refused) if refused.is_lost() => TenantTurn::Lost(refused.reason.clone()),
        Some(refused) if refused.next_probe_at() <= now => TenantTurn::Probe(refused.clone()),
        Some(refused) => TenantTurn::NotBefore(refused.next_probe_at()),
    }
}
