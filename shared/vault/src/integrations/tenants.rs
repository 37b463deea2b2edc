//! The tenants that refuse an integration's app: a circuit breaker for each (integration, tenant).
//!
//! ```text
//!             refuse_tenant()
//!    (none) ─────────────────> refused ──claim_tenant_probe()──> one try after 2, 4, 8 … 60 min
//!      ^                          │                                        (half-open)
//!      └──── accept_tenant() ─────┘
//! ```
//!
//! One item for each integration and app, `tenants#…`, with one attribute for each refusing tenant, so that one read,
//! shared by all renewals of a process for some seconds, shows them all. It is deleted together with the integration, and
//! when the integration gets another app. It has room for 400. Then a tenant that no longer matters gives its place to a
//! new one; if there is none, the connections of further tenants wait by themselves.

use std::collections::{BTreeMap, HashMap};

use entra::identifiers::TenantId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Integration, Integrations};
use crate::Error;
use crate::ids::IntegrationId;
use crate::table::{
    Condition, Conflicts, Transaction, Write, n, read, s, scan, to_value, transact,
};

/// Tenants in one item: about 80 kB, at some 190 bytes each.
const MOST_REFUSED_TENANTS: usize = 400;
/// A tenant that Entra does not find is looked for this long; then its users have to sign in again. In an outage, Entra
/// does not find tenants for hours.
const LOOKED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Refusals that are further apart are no proof of what was between them: a tenant with due connections is tried about
/// once an hour, and the function may have been off.
const UNBROKEN_FOR: SignedDuration = SignedDuration::from_hours(3);
/// The time from a refusal to the next try, which doubles with each try.
const FIRST_PROBE_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// The longest time between two tries.
const PROBED_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// A tenant in which nothing was tried for this long gives its place to another one.
const UNUSED_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// A tenant in which nothing was tried is forgotten after this time.
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
    /// Since when Entra refuses in this way, as far as that was observed without a gap.
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
    /// The app cannot be used in it. A kind of a newer release reads as this.
    #[serde(other)]
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

    /// The entry after Entra refuses again.
    fn refused_again(&self, kind: TenantRefusal, reason: &str, now: Timestamp) -> Self {
        let goes_on = self.kind == kind && now.duration_since(self.refused_at) < UNBROKEN_FOR;
        Self {
            kind,
            reason: reason.to_owned(),
            since: if goes_on { self.since } else { now },
            refused_at: now,
            ..self.clone()
        }
    }

    /// Whether its place may be given to another tenant: its users must sign in anyway, or nothing is tried in it any more.
    fn is_dispensable(&self, now: Timestamp) -> bool {
        self.is_lost() || now.duration_since(self.probed_at) >= UNUSED_AFTER
    }
}

/// The refusing tenants of one integration.
#[derive(Debug, Clone, Default)]
pub struct RefusedTenants {
    by_id: BTreeMap<TenantId, RefusedTenant>,
    /// The stored number of entries, unreadable ones included.
    count: usize,
}

impl RefusedTenants {
    /// The refusal of this tenant, if it refuses.
    pub fn get(&self, tenant: &TenantId) -> Option<&RefusedTenant> {
        self.by_id.get(tenant)
    }

    /// Whether there is no room: the connections of further tenants wait by themselves.
    pub fn is_full(&self) -> bool {
        self.count >= MOST_REFUSED_TENANTS
    }

    /// All, by tenant.
    pub fn iter(&self) -> impl Iterator<Item = &RefusedTenant> {
        self.by_id.values()
    }

    /// The tenant that gives its place to another one, if any may: the one that was refused the longest time ago.
    fn dispensable(&self, now: Timestamp) -> Option<&RefusedTenant> {
        let dispensable = self.iter().filter(|refused| refused.is_dispensable(now));
        dispensable.min_by_key(|refused| refused.refused_at)
    }
}

/// How a refusal was recorded.
#[derive(Debug)]
pub enum Recorded {
    /// The tenant begins to refuse.
    New(RefusedTenant),
    /// It refused before.
    Again(RefusedTenant),
    /// Nowhere: there is no room for it, or the integration is deleted or has another app.
    Nowhere,
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
    Count(usize),
    Other(serde::de::IgnoredAny),
}

impl From<Stored> for RefusedTenants {
    fn from(stored: Stored) -> Self {
        let count = match stored.get(COUNT) {
            Some(Attribute::Count(count)) => *count,
            _ => 0,
        };
        let tenants = stored.into_values().filter_map(|attribute| match attribute {
            Attribute::Tenant(refused) => Some((refused.tenant.clone(), refused)),
            Attribute::Count(_) | Attribute::Other(_) => None,
        });
        Self { by_id: tenants.collect(), count }
    }
}

impl Integrations {
    /// The tenants that refuse an integration's app, strongly read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is. An unreadable entry is left out.
    pub async fn refused_tenants(&self, of: &Integration) -> Result<RefusedTenants, Error> {
        let stored: Option<Stored> = read(&self.client, &self.table, tenants_key(of), WHAT).await?;
        Ok(stored.map(RefusedTenants::from).unwrap_or_default())
    }

    /// Returns the tenants that refuse the app, by integration. An integration without such tenants has no entry.
    ///
    /// # Errors
    /// As [`Self::refused_tenants`].
    pub async fn all_refused_tenants(
        &self,
        of: &[Integration],
    ) -> Result<HashMap<IntegrationId, RefusedTenants>, Error> {
        let items: Vec<StoredWithKey> = scan(&self.client, &self.table, PREFIX, WHAT).await?;
        let mut stored: HashMap<_, _> =
            items.into_iter().map(|item| (item.pk, item.attributes)).collect();
        let of_one =
            |one: &Integration| Some((one.id.clone(), stored.remove(&tenants_key(one))?.into()));
        Ok(of.iter().filter_map(of_one).collect())
    }

    /// Records that a tenant refuses the app.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn refuse_tenant(
        &self,
        integration: &Integration,
        tenant: &TenantId,
        (kind, reason): (TenantRefusal, &str),
        now: Timestamp,
    ) -> Result<Recorded, Error> {
        let mut conflicts = Conflicts::default();
        loop {
            let known = self.refused_tenants(integration).await?;
            if let Some(seen) = known.get(tenant) {
                let again = seen.refused_again(kind, reason, now);
                if self.put_again(integration, &again).await? {
                    return Ok(Recorded::Again(again));
                }
                if conflicts.pause().await {
                    continue;
                }
                return Ok(Recorded::Nowhere);
            }
            let in_place_of = known.dispensable(now).filter(|_| known.is_full());
            if known.is_full() && in_place_of.is_none() {
                return Ok(Recorded::Nowhere);
            }
            let refused = RefusedTenant {
                tenant: tenant.clone(),
                kind,
                reason: reason.to_owned(),
                since: now,
                refused_at: now,
                probed_at: now,
                probes: 0,
            };
            match self.insert(integration, &refused, in_place_of).await? {
                Transaction::Done => return Ok(Recorded::New(refused)),
                Transaction::Refused { failed }
                    if !failed.contains(&0) && conflicts.pause().await => {}
                Transaction::Refused { .. } => return Ok(Recorded::Nowhere),
            }
        }
    }

    /// Adds an entry, in the place of another one if the item is full. The first condition is that the integration is
    /// there and has the same app: otherwise a renewal that was under way would bring the item of a deleted one back.
    async fn insert(
        &self,
        integration: &Integration,
        refused: &RefusedTenant,
        in_place_of: Option<&RefusedTenant>,
    ) -> Result<Transaction, Error> {
        let client_id = s(integration.settings.client_id.to_string());
        let same_app = self.update(&integration.id).when("client_id", Condition::Is(client_id));
        let entry = entry(&refused.tenant);
        let insert = self
            .update_tenants(integration)
            .when(&entry, Condition::Absent)
            .set(&entry, to_value(WHAT, refused)?);
        let insert = match in_place_of {
            None => insert
                .when(COUNT, Condition::AbsentOrBelow(n(MOST_REFUSED_TENANTS)))
                .add(COUNT, n(1)),
            Some(seen) => when_untouched(insert, seen).remove(&self::entry(&seen.tenant)),
        };
        let writes = vec![same_app.in_transaction()?, insert.in_transaction()?];
        transact(&self.client, writes).await
    }

    /// Stores an entry whose tenant refuses again, unless it was removed.
    async fn put_again(
        &self,
        integration: &Integration,
        again: &RefusedTenant,
    ) -> Result<bool, Error> {
        let entry = entry(&again.tenant);
        let update = self
            .update_tenants(integration)
            .when(&entry, Condition::Exists)
            .set(&format!("{entry}.refused_at"), n(again.refused_at.as_second()))
            .set(&format!("{entry}.since"), n(again.since.as_second()))
            .set(&format!("{entry}.kind"), to_value(WHAT, &again.kind)?)
            .set(&format!("{entry}.reason"), s(&again.reason));
        update.attempt(&self.client).await
    }

    /// Claims the next try in a refusing tenant. Returns `true` to at most one of all workers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn claim_tenant_probe(
        &self,
        integration: &Integration,
        seen: &RefusedTenant,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let entry = entry(&seen.tenant);
        let update = when_untouched(self.update_tenants(integration), seen)
            .set(&format!("{entry}.probed_at"), n(now.as_second()))
            .set(&format!("{entry}.probes"), n(seen.probes.saturating_add(1)));
        update.attempt(&self.client).await
    }

    /// Forgets that a tenant refuses the app, if it does.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn accept_tenant(
        &self,
        integration: &Integration,
        tenant: &TenantId,
    ) -> Result<(), Error> {
        let entry = entry(tenant);
        let update = self.update_tenants(integration).when(&entry, Condition::Exists);
        update.remove(&entry).add(COUNT, n(-1)).attempt(&self.client).await.map(drop)
    }

    /// Forgets the tenants in which nothing was tried for two weeks: they have no connections any more.
    ///
    /// # Errors
    /// As [`Self::refused_tenants`].
    pub async fn forget_unused_tenants(
        &self,
        integration: &Integration,
        now: Timestamp,
    ) -> Result<(), Error> {
        for refused in self.refused_tenants(integration).await?.iter() {
            if now.duration_since(refused.probed_at) > FORGOTTEN_AFTER {
                self.accept_tenant(integration, &refused.tenant).await?;
            }
        }
        Ok(())
    }

    /// Deletes the item of an integration that is deleted or gets another app.
    pub(super) fn delete_tenants(&self, of: &Integration) -> Write {
        Write::delete(&self.table, tenants_key(of))
    }

    fn update_tenants(&self, of: &Integration) -> Write {
        Write::update(&self.table, tenants_key(of))
    }
}

/// Writes only if nothing was tried in this tenant since the entry was read.
fn when_untouched(write: Write, seen: &RefusedTenant) -> Write {
    let entry = entry(&seen.tenant);
    write
        .when(&format!("{entry}.probed_at"), Condition::Is(n(seen.probed_at.as_second())))
        .when(&format!("{entry}.probes"), Condition::Is(n(seen.probes)))
}

/// The app is a part of the key, so that no refusal of a former app counts for the present one.
fn tenants_key(of: &Integration) -> String {
    format!("{PREFIX}{}#{}", of.id, of.settings.client_id)
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

    #[test]
    fn a_day_in_which_nothing_was_tried_makes_no_tenant_lost() {
        let known = refused(TenantRefusal::NotFound, 9);
        let again = |minutes| known.refused_again(TenantRefusal::NotFound, "reason", at(minutes));
        assert_eq!(again(2 * 60).since, at(0));
        let after_a_pause = again(24 * 60);
        assert_eq!(after_a_pause.since, at(24 * 60));
        assert!(!after_a_pause.is_lost());
        let other = known.refused_again(TenantRefusal::Refused, "reason", at(1));
        assert_eq!((other.since, other.probes), (at(1), 9));
    }

    #[test]
    fn an_unreadable_entry_takes_up_its_place_still() {
        let stored = Stored::from([
            (COUNT.to_owned(), Attribute::Count(MOST_REFUSED_TENANTS)),
            ("tenant_1".to_owned(), Attribute::Other(serde::de::IgnoredAny)),
        ]);
        assert!(RefusedTenants::from(stored).is_full());
    }

    #[test]
    fn the_place_of_the_oldest_decided_or_unused_tenant_is_given_away_first() {
        let entry = |digit: u32, kind, refused_at, probed_at| {
            let tenant: TenantId =
                format!("{digit:08}-2222-4333-8444-555555555555").parse().unwrap();
            let refused = RefusedTenant { tenant: tenant.clone(), ..refused(kind, 9) };
            (
                tenant,
                RefusedTenant { refused_at: at(refused_at), probed_at: at(probed_at), ..refused },
            )
        };
        let day = 24 * 60;
        let dispensable = |entries: &[(TenantId, RefusedTenant)]| {
            let tenants =
                RefusedTenants { by_id: entries.iter().cloned().collect(), count: entries.len() };
            tenants.dispensable(at(3 * day)).map(|one| one.tenant.clone())
        };
        let waiting = entry(1, TenantRefusal::Refused, 0, 3 * day - 60);
        let unused = entry(2, TenantRefusal::Refused, 2 * day, 2 * day);
        let lost = entry(3, TenantRefusal::NotFound, day, 3 * day - 60);
        assert_eq!(dispensable(std::slice::from_ref(&waiting)), None);
        assert_eq!(dispensable(&[waiting.clone(), unused.clone()]), Some(unused.0.clone()));
        assert_eq!(dispensable(&[waiting, unused, lost.clone()]), Some(lost.0));
    }
}
