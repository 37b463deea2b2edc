//! The tenants that refuse an integration's app: a circuit breaker for each (integration, tenant).
//!
//! ```text
//!             refuse_tenant()
//!    (none) ─────────────────> refused ──claim_tenant_probe()──> one try after 2, 4, 8 … 60 min
//!      ^                          │                                        (half-open)
//!      └──── accept_tenant() ─────┘
//! ```
//!
//! One item for each integration, `tenants#…`, with one attribute for each refusing tenant, so that one read, shared by
//! all renewals of a process for some seconds, shows them all. It has room for 400; the connections of further tenants
//! wait by themselves.

use std::collections::{BTreeMap, HashMap};

use entra::identifiers::TenantId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Integrations;
use crate::Error;
use crate::ids::IntegrationId;
use crate::table::{Condition, Item, Updated, Write, n, read, s, scan, to_value};

/// Tenants in one item: about 60 kB.
const MOST_REFUSED_TENANTS: usize = 400;
/// A tenant that Entra does not find is looked for this long; then its users have to sign in again. In an outage, Entra
/// does not find tenants for hours.
const LOOKED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The time from a refusal to the next try, which doubles with each try.
const FIRST_PROBE_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// The longest time between two tries.
const PROBED_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// A tenant that nothing was asked for is forgotten after this time.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24 * 14);
const PREFIX: &str = "tenants#";
const WHAT: &str = "refused tenants";
const COUNT: &str = "tenants";

/// A tenant's relation to the app is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// How it is broken.
    pub kind: TenantRefusal,
    /// Entra's error, such as `invalid_client (AADSTS7000229)`.
    pub reason: String,
    /// Since when Entra refuses in this way.
    #[serde(with = "crate::seconds::required")]
    pub since: Timestamp,
    /// When Entra last refused.
    #[serde(with = "crate::seconds::required")]
    pub refused_at: Timestamp,
    /// When the last try began.
    #[serde(with = "crate::seconds::required")]
    pub probed_at: Timestamp,
    /// The number of tries.
    pub probes: u32,
}

/// How a tenant's relation to the app is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantRefusal {
    /// Entra does not find the tenant.
    NotFound,
    /// The app cannot be used in it.
    Refused,
}

impl RefusedTenant {
    /// When Entra may be asked again.
    pub fn next_probe_at(&self) -> Timestamp {
        let doubled = FIRST_PROBE_AFTER * 2_i32.pow(self.probes.min(6));
        self.probed_at + doubled.min(PROBED_EVERY)
    }

    /// Whether Entra did not find the tenant for so long that its users must sign in again.
    pub fn is_lost(&self) -> bool {
        self.kind == TenantRefusal::NotFound
            && self.refused_at.duration_since(self.since) >= LOOKED_FOR
    }
}

/// The refusing tenants of one integration.
#[derive(Debug, Clone, Default)]
pub struct RefusedTenants {
    by_id: BTreeMap<TenantId, RefusedTenant>,
}

impl RefusedTenants {
    /// The refusal of this tenant, if it refuses.
    pub fn get(&self, tenant: &TenantId) -> Option<&RefusedTenant> {
        self.by_id.get(tenant)
    }

    /// Whether the connections of further tenants wait by themselves.
    pub fn is_full(&self) -> bool {
        self.by_id.len() >= MOST_REFUSED_TENANTS
    }

    /// All, by tenant.
    pub fn iter(&self) -> impl Iterator<Item = &RefusedTenant> {
        self.by_id.values()
    }
}

/// How a refusal was recorded.
#[derive(Debug)]
pub enum Recorded {
    /// The tenant begins to refuse.
    New(RefusedTenant),
    /// It refused before.
    Again(RefusedTenant),
    /// There is no room for it.
    Full,
}

/// The item's attributes, by name.
type Stored = BTreeMap<String, Attribute>;

#[derive(Deserialize)]
struct StoredWithKey {
    pk: String,
    #[serde(flatten)]
    attributes: Stored,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Attribute {
    Tenant(RefusedTenant),
    Other(serde::de::IgnoredAny),
}

impl From<Stored> for RefusedTenants {
    fn from(stored: Stored) -> Self {
        let tenants = stored.into_values().filter_map(|attribute| match attribute {
            Attribute::Tenant(refused) => Some((refused.tenant.clone(), refused)),
            Attribute::Other(_) => None,
        });
        Self { by_id: tenants.collect() }
    }
}

impl Integrations {
    /// The tenants that refuse an integration's app, strongly read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is. An unreadable entry is left out.
    pub async fn refused_tenants(&self, id: &IntegrationId) -> Result<RefusedTenants, Error> {
        let stored: Option<Stored> = read(&self.client, &self.table, tenants_key(id), WHAT).await?;
        Ok(stored.map(RefusedTenants::from).unwrap_or_default())
    }

    /// Returns the tenants that refuse the app, for every integration that has such tenants.
    ///
    /// # Errors
    /// As [`Self::refused_tenants`].
    pub async fn all_refused_tenants(
        &self,
    ) -> Result<HashMap<IntegrationId, RefusedTenants>, Error> {
        let items: Vec<StoredWithKey> = scan(&self.client, &self.table, PREFIX, WHAT).await?;
        let of_integration = |item: StoredWithKey| {
            Some((item.pk.strip_prefix(PREFIX)?.parse().ok()?, item.attributes.into()))
        };
        Ok(items.into_iter().filter_map(of_integration).collect())
    }

    /// Records that a tenant refuses the app.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn refuse_tenant(
        &self,
        id: &IntegrationId,
        tenant: &TenantId,
        (kind, reason): (TenantRefusal, &str),
        now: Timestamp,
    ) -> Result<Recorded, Error> {
        let entry = entry(tenant);
        let refused = RefusedTenant {
            tenant: tenant.clone(),
            kind,
            reason: reason.to_owned(),
            since: now,
            refused_at: now,
            probed_at: now,
            probes: 0,
        };
        let room = Condition::AbsentOrBelow(n(MOST_REFUSED_TENANTS));
        let insert = self
            .update_tenants(id)
            .when(&entry, Condition::Absent)
            .when(COUNT, room)
            .set(&entry, to_value(WHAT, &refused)?)
            .add(COUNT, n(1));
        // A retry whose first reply was lost counts as refused again: an event is sent at most once.
        let there = match insert.send(&self.client).await? {
            Updated::Written(_) => return Ok(Recorded::New(refused)),
            Updated::Refused(there) => there,
            Updated::Absent => return Ok(Recorded::Full),
        };
        let Some(known) = known(&there, &entry)? else { return Ok(Recorded::Full) };
        let since = if known.kind == kind { known.since } else { now };
        let again =
            RefusedTenant { since, probed_at: known.probed_at, probes: known.probes, ..refused };
        let update = self
            .update_tenants(id)
            .when(&entry, Condition::Exists)
            .set(&format!("{entry}.refused_at"), n(now.as_second()))
            .set(&format!("{entry}.since"), n(since.as_second()))
            .set(&format!("{entry}.kind"), to_value(WHAT, &kind)?)
            .set(&format!("{entry}.reason"), s(reason));
        update.attempt(&self.client).await?;
        Ok(Recorded::Again(again))
    }

    /// Claims the next try in a refusing tenant. Returns `true` to at most one of all workers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn claim_tenant_probe(
        &self,
        id: &IntegrationId,
        seen: &RefusedTenant,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let entry = entry(&seen.tenant);
        let (probed_at, probes) = (format!("{entry}.probed_at"), format!("{entry}.probes"));
        let update = self
            .update_tenants(id)
            .when(&probed_at, Condition::Is(n(seen.probed_at.as_second())))
            .when(&probes, Condition::Is(n(seen.probes)))
            .set(&probed_at, n(now.as_second()))
            .set(&probes, n(seen.probes.saturating_add(1)));
        update.attempt(&self.client).await
    }

    /// Forgets that a tenant refuses the app. Returns whether it did.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn accept_tenant(
        &self,
        id: &IntegrationId,
        tenant: &TenantId,
    ) -> Result<bool, Error> {
        let entry = entry(tenant);
        let update = self.update_tenants(id).when(&entry, Condition::Exists);
        update.remove(&entry).add(COUNT, n(-1)).attempt(&self.client).await
    }

    /// Forgets the tenants in which nothing was tried for two weeks: they have no connections any more.
    ///
    /// # Errors
    /// As [`Self::refused_tenants`].
    pub async fn forget_unused_tenants(
        &self,
        id: &IntegrationId,
        now: Timestamp,
    ) -> Result<(), Error> {
        for refused in self.refused_tenants(id).await?.iter() {
            if now.duration_since(refused.probed_at) > FORGOTTEN_AFTER {
                self.accept_tenant(id, &refused.tenant).await?;
            }
        }
        Ok(())
    }

    /// Forgets all refusing tenants of an integration that is deleted or has another app.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn forget_tenants(&self, id: &IntegrationId) -> Result<(), Error> {
        let delete = Write::delete(&self.table, tenants_key(id));
        delete.attempt(&self.client).await.map(drop)
    }

    fn update_tenants(&self, id: &IntegrationId) -> Write {
        Write::update(&self.table, tenants_key(id))
    }
}

fn known(there: &Item, entry: &str) -> Result<Option<RefusedTenant>, Error> {
    let Some(value) = there.get(entry) else { return Ok(None) };
    let known = serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(value.clone());
    known.map(Some).map_err(|e| Error::corrupt(WHAT, e))
}

fn tenants_key(id: &IntegrationId) -> String {
    format!("{PREFIX}{id}")
}

/// The attribute of a tenant. Placeholders in expressions have no hyphens.
fn entry(tenant: &TenantId) -> String {
    format!("tenant_{}", tenant.to_string().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn refused(kind: TenantRefusal, probes: u32) -> RefusedTenant {
        RefusedTenant {
            tenant: "11111111-2222-4333-8444-555555555555".parse().unwrap(),
            kind,
            reason: "invalid_client (AADSTS7000229)".to_owned(),
            since: at(0),
            refused_at: at(0),
            probed_at: at(0),
            probes,
        }
    }

    #[test]
    fn a_refusing_tenant_is_tried_after_minutes_and_at_least_hourly() {
        for (probes, minutes) in [(0, 2), (1, 4), (2, 8), (4, 32), (5, 60), (1_000, 60)] {
            let refused = refused(TenantRefusal::Refused, probes);
            assert_eq!(refused.next_probe_at(), at(minutes), "{probes}");
        }
    }

    #[test]
    fn a_tenant_is_lost_when_entra_does_not_find_it_for_a_day() {
        let lost =
            |kind, minutes| RefusedTenant { refused_at: at(minutes), ..refused(kind, 9) }.is_lost();
        assert!(!lost(TenantRefusal::NotFound, 24 * 60 - 1));
        assert!(lost(TenantRefusal::NotFound, 24 * 60));
        assert!(!lost(TenantRefusal::Refused, 24 * 60), "an administrator can still let it in");
    }
}
